"""What towers and transformers share, beneath both.

network_sizes   checks of sizes, and heads as layers; `attention_policy` is one of these layers
given_tensors   parameters by name, checked as they are taken
ready_network   what ready networks share: one chunk of positions in, logits and answers out
tensor_layout   tensors as the kernels read them
heads           value and moves left; `policy_heads` for moves
encoder_steps   encoder layers: a transformer's body, and in an attention policy of either
convolution     3x3 convolutions; `multiply` and, for one board, `lone_board` have the products,
                `smooth` the activations
"""
