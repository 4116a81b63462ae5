"""`--data FILE[=WEIGHT]`: what files hold, how often they are drawn from, and what is said about
others.
"""

import bz2
import gzip
import lzma
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, DataError
from selfplay.data.cache import load_or_parse
from selfplay.data.kinds import CHUNKS, FOLDER, PGN, data_files, reader_of
from selfplay.data.v6 import V6_RECORD, VERSION
from selfplay.training.source_files import Source, SourceFiles, load_training_data
from tests.selfplay.teachers.nets import material_labels
from tests.unit.files.test_text import ZSTD, zipped

TRAINED_ON = (PGN, CHUNKS, FOLDER)
GAMES = b'[Event "x"]\n[Result "1-0"]\n\n1. e4 e5 1-0\n\n' * 3
CHUNK = np.array([VERSION, 1], "<u4").tobytes() + bytes(V6_RECORD.itemsize - 8)


# behind a frame without data
PZSTD = b"\x50\x2a\x4d\x18\4\0\0\0size" + ZSTD.compress(GAMES)


def tar(name="x"):
    """The beginning of a tar archive."""
    return tarfile.TarInfo(name).tobuf()


CONTENTS = {
    "games.pgn.xz": (lzma.compress(GAMES), PGN),
    "twic1500g.zip": (zipped(GAMES), PGN),
    "named.as.nothing": (GAMES, PGN),
    "unpacked by a browser.pgn.gz": (GAMES, PGN),
    "packed in spite of its name.pgn": (bz2.compress(GAMES), PGN),
    "wide.pgn": (GAMES.decode().encode("utf-16"), PGN),
    "escaped": (b"% made by hand\n" + GAMES, PGN),
    "commented": (b"{a comment first} 1. e4 e5 1-0\n", PGN),
    "mail.pgn": (b"Dear reader,\n" + GAMES, PGN),
    "training.4711.gz": (gzip.compress(CHUNK), CHUNKS),
    "older.gz": (gzip.compress(b"\5" + CHUNK[1:]), CHUNKS),
    "chunks.tar": (tar(), CHUNKS),
    "chunks.tar.gz": (gzip.compress(tar()), CHUNKS),
    "oldest.tar": (b"x".ljust(148, b"\0") + b"000570\0 " + bytes(356), CHUNKS),
    "lichess_2013-01": (PZSTD, PGN),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_the_kind_is_seen_from_the_content(tmp_path, name):
    content, kind = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    assert data_files([tmp_path / name], *TRAINED_ON) == [(tmp_path / name, kind)]


NO_DATA = {
    "empty.pgn": (b"", "empty.pgn: an empty file"),
    "evaluations.jsonl": (
        b'{"fen": "8/8/8/8/8/8/8/K1k5 w - -", "evals": []}\n', "Expected PGN games, Lc0"),
    "puzzles.csv": (b"PuzzleId,FEN,Moves\n", "begins with 'PuzzleId,FEN,Moves'"),
    "positions.epd": (b"# made by hand\n8/8/8/8/8/8/8/K1k5 w - - bm Ka2;\n", "begins with '8/8/8"),
    "page.html": (b"<!DOCTYPE html>\n<html>", "DOCTYPE"),
    "pointer.xz": (
        b"version https://git-lfs.github.com/spec/v1\n", "begins with 'version https://git-lfs"),
    "net.dit": (b"\x89DIT\r\n\x1a\n" + bytes(300), "net.dit: begins with"),
    "ccrl.pgn.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive; unpack it first"),
    "zeros.pgn": (bytes(99), "zeros.pgn: an empty file"),
    "torn.pgn.gz": (gzip.compress(GAMES)[:20], "torn.pgn.gz: cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_DATA)
def test_files_without_data_are_told_by_name(tmp_path, name):
    content, reason = NO_DATA[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as refused:
        data_files([tmp_path / name], *TRAINED_ON)
    assert reason in str(refused.value)
    assert name in str(refused.value)


@pytest.fixture
def nested(tmp_path):
    """A folder of packed games, and what else lies there."""
    for number in (2, 10, 1):
        (tmp_path / f"part{number}.pgn.xz").write_bytes(lzma.compress(GAMES))
        (tmp_path / f"part{number}.json").write_text("{}")
    (tmp_path / "part3.pgn.part").write_bytes(GAMES)
    (tmp_path / ".hidden.pgn").write_bytes(GAMES)
    (tmp_path / "README.txt").write_text("Games of our club")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "again").symlink_to(tmp_path)
    (tmp_path / "later" / "part3.pgn.xz").write_bytes(lzma.compress(GAMES))
    (tmp_path / "later" / "part0.pgn.xz").touch()
    return tmp_path


NAMES = ["later/part3.pgn.xz", "part1.pgn.xz", "part10.pgn.xz", "part2.pgn.xz"]


def test_a_pattern_is_the_files_that_it_names(nested):
    files = data_files([nested / "part?.pgn.xz"], PGN)
    assert [path.name for path, _ in files] == ["part1.pgn.xz", "part2.pgn.xz"]


def test_links_to_folders_are_followed_once(nested):
    (nested / ".disk").mkdir()
    (nested / "part1.pgn.xz").rename(nested / ".disk" / "part1.pgn.xz")
    for name in ("other", "the-same"):
        (nested / name).symlink_to(nested / ".disk")
    names = [NAMES[0], "other/part1.pgn.xz", *NAMES[2:]]
    assert data_files([nested], PGN) == [(nested / name, PGN) for name in names]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (".", r"holds Lc0 training chunks \(chunks.tar\) and PGN games \(part3.pgn.xz\)"),
        ("chunks.tar", r"chunks\.tar: expected PGN games, found Lc0 training chunks"),
    ],
)
def test_chunks_are_no_games(nested, path, error):
    (nested / "chunks.tar").write_bytes(tar())
    with pytest.raises(DataError, match=error):
        data_files([nested / path], PGN)


def test_a_pipe_is_read_once(tmp_path):
    end, begin = os.pipe()
    with open(begin, "wb") as stream:
        stream.write(GAMES)
    [(pipe, kind)] = data_files([Path(f"/dev/fd/{end}")], *TRAINED_ON)
    assert load_or_parse(pipe, reader_of(kind), tmp_path / "cache").n_games == 3


def test_a_folder_of_chunks_or_labels_is_one_source(tmp_path):
    chunks, labels = tmp_path / "chunks", tmp_path / "labels"
    chunks.mkdir()
    for number in range(3):
        (chunks / f"training.{number}.gz").write_bytes(gzip.compress(CHUNK))
    material_labels(labels, 300)
    assert data_files([chunks], *TRAINED_ON) == [(chunks, CHUNKS)]
    assert data_files([labels], *TRAINED_ON) == [(labels, FOLDER)]
    assert data_files([tmp_path / "[cl]*s"], *TRAINED_ON) == [(chunks, CHUNKS), (labels, FOLDER)]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing.pgn", "missing.pgn: file not found"),
        ("*.nothing", r"\*.nothing: no file has such a name"),
        ("no data", r"no data: no files with data in it"),
        ("run", "run is a self-play run, which has no data to learn from; `aino-train export`"),
    ],
)
def test_paths_without_data_are_told(tmp_path, path, error):
    (tmp_path / "no data").mkdir()
    (tmp_path / "no data" / "notes.md").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("format = 4")
    (tmp_path / "no data" / "config.toml").write_text("of another program")
    with pytest.raises(DataError, match=error):
        data_files([tmp_path / path], *TRAINED_ON)


# ---- FILE=WEIGHT ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [
        ("games.pgn", "games.pgn", None), ("games.pgn=2", "games.pgn", 2.0), ("games.pgn=.5", "games.pgn", 0.5),
        ("games.pgn=1e-3", "games.pgn", 1e-3), ("games.pgn=0", "games.pgn", 0.0), ("elo=2400", "elo=2400", None),
        ("elo=2400=3", "elo=2400", 3.0), (r"C:\x=2", r"C:\x", 2.0), (r"C:\a=b\x.pgn", r"C:\a=b\x.pgn", None),
        ("labels/=0.7", "labels", 0.7), ("*.pgn=0.7", "*.pgn", 0.7),
    ],
)  # fmt: skip
def test_a_weight_stands_behind_the_last_sign(tmp_path, monkeypatch, text, path, weight):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elo=2400").touch()  # a name with the sign in it
    assert Source.parse(text) == Source(Path(path), weight)


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "-inf", "", "heavy", "0,5", "50%"])
def test_other_weights_are_told(tmp_path, weight):
    (tmp_path / "x.pgn").touch()
    with pytest.raises(ConfigError, match=rf"x\.pgn={weight}: expected .*{weight}"):
        Source.parse(f"{tmp_path}/x.pgn={weight}")


def loaded(*sources, scored_share=0.25):
    lines = []
    files = SourceFiles(sources, scored_share=scored_share, heldout_share=0.3)
    return list(load_training_data(files, None, lines.append).shares), lines


@pytest.fixture
def parts(tmp_path, game_texts):
    """Files of six and three games."""
    paths = [tmp_path / "a.pgn", tmp_path / "b.pgn"]
    for path, lines in zip(paths, (game_texts[:6], game_texts[6:9]), strict=True):
        path.write_text("".join(lines))
    return paths


def test_weights_are_parts_of_a_batch(parts, tmp_path):
    assert loaded(Source(parts[0], 0.7), Source(parts[1], 0.3))[0] == pytest.approx([0.7, 0.3])
    by_positions, lines = loaded(*map(Source, parts))
    assert by_positions == [int(line.split()[-2]) for line in lines[:2]]
    shares, _ = loaded(Source(tmp_path / "?.pgn", 3.0))
    assert shares == pytest.approx([3 * count / sum(by_positions) for count in by_positions])


def test_a_label_folder_gives_scored_moves_their_share(parts, tmp_path):
    folder = tmp_path / "labels"
    material_labels(folder, 3000)
    weights, _ = loaded(Source(parts[0], 0.4), Source(folder, 0.6))
    scored = 0.15 if len(weights) == 3 else 0.0
    assert weights == pytest.approx([0.4, 0.6 - scored] + [scored] * (scored > 0))
    weights, _ = loaded(Source(parts[0], 0.4), Source(folder, 0.6), scored_share=0.0)
    assert sum(weights) == pytest.approx(1.0)


def test_a_file_of_weight_0_is_held_out_alone(parts):
    weights, lines = loaded(Source(parts[0], 0), Source(parts[1], 1))
    assert weights == [1.0]
    assert lines[0].endswith("6 games, none to train on (weight 0)")
    assert lines[-1].startswith("a.pgn: ")


@pytest.mark.parametrize(
    ("sources", "error"),
    [
        (["a.pgn", "b.pgn=2"], "a.pgn=0.5, or to none"),
        (["a.pgn=0", "b.pgn=0"], "every file has the weight 0"),
        (["a.pgn", "./a.pgn"], "a.pgn is given twice"),
        (["a.pgn=1", "?.pgn=2"], "a.pgn is given twice"),
        ([], "give --data FILE"),
    ],
)
def test_sources_that_contradict_are_told(parts, monkeypatch, sources, error):
    monkeypatch.chdir(parts[0].parent)
    with pytest.raises(ConfigError) as refused:
        SourceFiles(tuple(map(Source.parse, sources))).found()
    assert error in str(refused.value)
