"""Published generations of a run, as files."""

from selfplay.records.replay import segment_path, write_records


def write_segment(folder, generation, games):
    """Publishes games as a generation's segment; returns its path."""
    path = segment_path(folder, generation)
    write_records(path, games)
    return path
