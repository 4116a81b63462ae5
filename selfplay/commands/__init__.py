"""One module a subcommand of `aino-train`: `add_arguments(parser)` and `run(arguments) -> exit
status`.
"""
