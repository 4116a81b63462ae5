"""Published generations of a run, as files."""

from selfplay.records.replay import segment_path, write_records


def write_segment(folder, generation, games):
    """Publish games as a generation's segment."""
    write_records(segment_path(folder, generation), games)
