"""What data files hold, seen from their content: PGN, Lc0's training chunks, label folders."""

import glob
import logging
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from engine.errors import DataError
from engine.files.output_files import kind_of_folder
from engine.files.text import GAMES, LOOKED_AT, decode_text, kind_of, open_unpacked, reading
from selfplay.data.cache import ENDINGS, Reader, files_in
from selfplay.data.pgn import pgn_reader
from selfplay.data.policy_folder import PolicyFolder
from selfplay.data.v6 import is_tar
from selfplay.data.v6_games import read_v6

log = logging.getLogger(__name__)
PGN = "PGN games"
CHUNKS = "Lc0 training chunks"
FOLDER = "a label folder"
POLICIES = "a folder of policies"
_COMMENT = re.compile(r"\s*([%;(]|\{(?!\s*\"))")  # how PGN may begin, too


def reader_of(kind: str, least_elo: int = 0) -> Reader:
    """Return the reader of a kind of files; least_elo: of the players of PGN games."""
    if kind == CHUNKS:
        return read_v6
    return pgn_reader(least_elo)


def data_files(paths: Iterable[Path], *kinds: str) -> list[tuple[Path, str]]:
    """(file, kind) of all that paths stand for: a file, a folder of files of one kind, or a pattern
    such as `*.pgn`.

    Label folders and folders of training chunks are one each, and a file that several paths stand
    for counts once. Raises DataError for a path without data, for a folder with several kinds, and
    for a kind that is not among `kinds`.
    """
    files = list(dict.fromkeys(chain(*map(_files_of, paths))))
    for file, kind in files:
        if kind not in kinds:
            raise DataError(f"{file}: expected {' or '.join(kinds)}, found {kind}")
    return files


def _files_of(path: Path) -> list[tuple[Path, str]]:
    if not path.exists() and glob.has_magic(str(path)):
        if not (matches := sorted(map(Path, glob.glob(str(path))))):
            raise DataError(f"{path}: no file has such a name")
        return list(chain(*map(_files_of, matches)))
    if not path.is_dir():
        return [(path, _kind_of_file(path))]
    if (kind := kind_of_folder(path)) == POLICIES:
        return [(part, POLICIES) for part in PolicyFolder(path).parts]
    if kind not in ("", FOLDER):
        raise DataError(
            f"{path} is {kind}, which has no data to learn from; `aino-train export` writes games"
        )
    if kind:
        return [(path, FOLDER)]
    return _files_of_folder(path)


def _files_of_folder(folder: Path) -> list[tuple[Path, str]]:
    """Return the files of a folder; one that is of a kind speaks for those of its ending behind it.
    Skips others.
    """
    files = list[Path]()
    kind_of_ending = dict[str, str]()
    first_of_kind = dict[str, str]()
    for file in files_in(folder):
        ending = file.suffix
        if (inner := Path(file.stem).suffix) in ENDINGS:
            ending = inner + ending
        try:
            kind = kind_of_ending.get(ending) or _kind_of_file(file)
        except DataError as error:
            log.warning("%s (file skipped)", error)
        else:
            kind_of_ending[ending] = kind
            first_of_kind.setdefault(kind, file.name)
            files.append(file)
    if len(first_of_kind) > 1:
        contents = " and ".join(f"{kind} ({name})" for kind, name in first_of_kind.items())
        raise DataError(
            f"{folder} holds {contents}: give the files of each kind by name, as in {folder}/*.pgn"
        )
    if not files:
        raise DataError(
            f"{folder}: no files with data in it (expected names that end in {', '.join(sorted(ENDINGS))})"
        )
    if CHUNKS in first_of_kind:
        return [(folder, CHUNKS)]
    return [(file, PGN) for file in files]


def _kind_of_file(path: Path) -> str:
    if path.is_fifo():  # can be read only once
        return PGN
    with reading(path), open_unpacked(path) as (stream, _):
        begin = stream.read(LOOKED_AT)
    has_version = begin[1:4] == b"\0\0\0" and 0 < begin[0] < 16  # as records begin
    if has_version or is_tar(begin):
        return CHUNKS
    lines = decode_text(begin).replace("\0", "").splitlines()
    kind = kind_of(begin)
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if not first:
        raise DataError(f"{path}: an empty file")
    if kind == GAMES or (not kind and (_COMMENT.match(first) or ".pgn" in path.name.lower())):
        return PGN
    raise DataError(
        f"{path}: begins with {first[:40]!r}, which is no data that Aino learns from. Expected {PGN}, {CHUNKS} "
        f"of version 6, or {FOLDER}"
    )
