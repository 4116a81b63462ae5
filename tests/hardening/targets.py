"""Every format that is fuzzed, by name."""

from tests.hardening import game_targets, label_targets, net_targets, text_targets

TARGETS = {
    "fen": text_targets.fen,
    "pgn": text_targets.pgn,
    "epd": text_targets.epd,
    "puzzles": text_targets.puzzles,
    "zip": text_targets.zipped_openings,
    "run-toml": text_targets.run_config,
    "options-toml": text_targets.engine_options,
    "dit": net_targets.dit_files,
    "checkpoint": net_targets.checkpoints,
    "pb": net_targets.lc0_nets,
    "replay": game_targets.replay,
    "nnue": label_targets.teacher_nets,
    "labels": label_targets.label_rows,
    "v6": game_targets.chunks,
    "v6-tar": game_targets.archives,
}
