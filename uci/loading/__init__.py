"""An engine made ready: options it refuses left out, kernels compiled by one process for all."""
