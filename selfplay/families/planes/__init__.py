"""Networks of board planes: towers, transformers, and networks that are not made of layers."""
