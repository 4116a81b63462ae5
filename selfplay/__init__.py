"""Games, data and training: everything that makes Aino's networks, and the `aino-train` command.

records/      what games and their targets are, in memory and on disk: beneath everything else
data/         readers of labels and games, sampling of training batches
teachers/     a known foreign value net in the process, and its labels
games/        self-play actors
training/     what a family of networks owns, the learner, held-out scores, supervised pretraining
run/          run folders: configuration, ledger, generate, fit, gate, loop
report/       one HTML file about a run
matches/      statistics of matches, and matches between UCI engines
suites/       test suites and puzzles
commands/     the `aino-train` subcommands
main.py       the table of `aino-train` subcommands
"""
