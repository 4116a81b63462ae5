"""What stands in for evaluators: a test says what they answer."""


class StandIn:
    """Evaluates batches of leaves without a network, by `evaluate`."""

    name = "stand-in"
    round_size = 4
    needs_planes = False

    def close(self):
        """Nothing to stop."""
