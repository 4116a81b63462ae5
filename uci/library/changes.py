"""Every change of a file of somebody's games: a game edited or deleted, a file taken in.

An edit is spliced into the game's text. All bytes outside the game stay, in their encoding and with
their line ends. What is replaced or deleted is kept first: `earlier`, a folder beside the games,
has files of the same names for it. Nothing is written that is not read again as it should be.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import re
import stat
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import chess.pgn

from engine.board.pgn.cutter import GameText
from engine.board.pgn.game_splices import game_splices
from engine.board.pgn.main_lines import main_lines
from engine.errors import DataError
from engine.files.atomic import append, atomic_write, replace, sync_folder, write_file
from engine.files.source_text import SourceText, Splice
from engine.files.text import is_packed, open_unpacked, printable, reading, utf8_pieces
from uci.game.game_file import REVIEWED, owning
from uci.language import _
from uci.library.game_files import digest_of

EARLIER = "earlier"  # the folder of texts of games that were replaced or deleted


@dataclass(frozen=True)
class Change:
    """What became of a game's text. Places are those of `FoundGame`."""

    digest: str  # of its new text; that of nothing where it was deleted
    end: int  # where its new text ends; it begins where it began
    shift: int  # how far all that stands behind it has moved
    before: os.stat_result  # of the file
    after: os.stat_result | None  # None where nothing was left in the file, which is gone


def edit(path: Path, place: int, end: int, digest: str, game: chess.pgn.Game) -> Change:
    """Write what was changed in a game into its text between two places, if that is the one with
    this digest.

    Raises DataError where the text is another one or was not read wholly, where tags or moves of
    the main line are others, or where the file's encoding lacks a character. Then nothing changes.
    """
    return _change(path, place, end, digest, lambda text: game_splices(text, game))


def delete(path: Path, place: int, end: int, digest: str) -> Change:
    """Remove a game's text between two places, if it is the one with this digest. A file with
    nothing left goes, unless it is a link.

    Raises DataError.
    """
    return _change(path, place, end, digest, lambda text: [Splice(0, len(text), "")])


def _change(
    path: Path, place: int, end: int, digest: str, splices_of: Callable[[bytes], list[Splice]]
) -> Change:
    with owning(path.parent):
        with reading(path):
            before = path.stat()
            data = path.read_bytes()
            if is_packed(data):
                raise DataError(_("{path} is packed; unpack it first", path=printable(path)))
            source = SourceText(data)
        text = source.text[place:end]
        if digest_of(text) != digest:
            raise DataError(_("{path} has changed; open My games again", path=printable(path)))
        splices = splices_of(text)
        moved = [Splice(place + one.begin, place + one.end, one.words) for one in splices]
        after = source.spliced(moved)
        shift = len(after.text) - len(source.text)
        _check_neighbours(after, place, end + shift)
        is_lost = any(one.begin < one.end for one in splices)
        try:
            if is_lost:
                _keep(path, text, before)
            status = _write(path, data, after) if splices else before
        except OSError as error:
            reason = f"{printable(error.filename or path)}: {error.strerror}"
            raise DataError(_("nothing can be changed: {error}", error=reason)) from error
        new_digest = digest_of(after.text[place : end + shift])
        return Change(new_digest, end + shift, shift, before, status)


def _check_neighbours(source: SourceText, place: int, end: int) -> None:
    """Raise DataError unless a game ends at each of two places, or the text begins there.

    Readers know nothing of earlier games at the begin of one. So games before the first place and
    behind the last one are what they were.
    """
    ends = {0}
    for line in main_lines(GameText(io.BytesIO(source.data))):
        ends.add(line.end)
        if line.end >= end:
            break
    if not {place, end} <= ends:
        raise DataError(_("without an end of its own, this game and another would become one"))


def _keep(path: Path, text: bytes, status: os.stat_result) -> None:
    """Keep what is about to be replaced, for those who may read it now. Raises OSError, also where
    it cannot be replaced.
    """
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    kept = path.parent / EARLIER / path.name
    kept.parent.mkdir(exist_ok=True)
    if not kept.exists():
        kept.touch(stat.S_IMODE(status.st_mode))
    # Behind a part of a game, which a program that was killed has left, an end of its own.
    append(kept, f"\n\n{text.decode().strip()}\n")


def _write(path: Path, before: bytes, source: SourceText) -> os.stat_result | None:
    """Write a file that is as it was; return its status, None where nothing is left of it."""
    # Other programs do not know of our lock, and a change of equal size may leave the time alone.
    if path.read_bytes() != before:
        raise DataError(_("{path} has changed; open My games again", path=printable(path)))
    if not source.text.strip() and not path.is_symlink():
        path.unlink()
        return None
    write_file(path, source.data)
    return path.stat()


# ---- files that are taken in ---------------------------------------------------------------------


def take_in(upload: Path, name: str) -> Generator[None, None, str]:
    """Make a file of games one of the folder that it lies in, in steps: plain UTF-8 under a free
    name, which is returned. `name` is its name without what marks it as an upload. What marks it as
    a review beside its games goes, so that it is listed.

    It is here or there whenever the program is killed: taken in twice, what was deleted meanwhile
    would come back. Raises OSError and DataError.
    """
    folder = upload.parent
    stem = name.replace(REVIEWED, "")
    stem = re.sub(r"(\.pgn)?(\.(gz|bz2|xz|zst|zip))?$", "", stem, flags=re.IGNORECASE) or "games"
    plain = upload.with_name(upload.name.removesuffix(name) + f"{stem}.pgn")
    # Closed before its name is taken: Windows replaces no open file.
    with atomic_write(plain) as out, open_unpacked(upload) as (stream, _share):
        for piece in utf8_pieces(stream):
            out.write(piece)
            yield
    if plain != upload:
        upload.unlink()
    with owning(folder):
        taken = {path.name.lower() for path in folder.iterdir()}
        numbered = (f"{stem}-{number}.pgn" for number in itertools.count(2))
        names = itertools.chain([f"{stem}.pgn"], numbered)
        free = (folder / name for name in names if name.lower() not in taken)
        # A file system may know an accent in two spellings.
        target = next(path for path in free if not os.path.lexists(path))
        replace(plain, target)
        sync_folder(folder)
    return target.name
