"""Games are edited in and deleted from files of somebody's own: nothing else of a file changes, and
nothing is lost.
"""

import codecs
import gzip
import os
import tracemalloc
from unittest.mock import Mock

import chess.pgn
import pytest

from engine.errors import DataError
from engine.files.source_text import SourceText
from engine.native.locks import FileLock
from tests.new_process import linux, posix
from uci.game.game_file import REVIEWS
from uci.library.changes import EARLIER, delete, edit, save_game, take_in
from uci.library.cooperative import finish
from uci.library.game_files import Surroundings, find_games, game_at

TEXT = """% from a database
[Event "Müller Cup"]
[White "Anna"]
[Unknown ""]

1. e4  e5 {schön}
2.Nf3 Nc6 ; a line
1/2-1/2


[Event "Müller Cup"]
[White "Cleo"]

1.e4 c5 {Größe} (1... e5 $1)
% escape
2. Nf3 -- 1-0 {the end}

[White "Dora"]

1. d4 d5 *
"""
FORMS = {
    "plain": (TEXT, "utf-8", b""),
    "with a mark": (TEXT, "utf-8", codecs.BOM_UTF8),
    "of Windows": (TEXT.replace("\n", "\r\n"), "cp1252", b""),
    "of an old Mac": (TEXT.replace("\n", "\r"), "cp1252", b""),
    "of DOS": (TEXT.replace("ü", "\x81"), "latin-1", b""),
    "without an end": (TEXT.rstrip(), "utf-8", b""),
}


AROUND = Surroundings(0, 10**9)  # of any game


def place_of(path, white="Cleo"):
    """Where the game of a player stands."""
    (game,) = (game for game in find_games(path) if game.tags.get("White") == white)
    return game.place


def read_game(path):
    """A game, and where it stands: path, place, all that is around it."""
    place = place_of(path)
    return game_at(path, place), (path, place, AROUND)


def write_words(path, words, change=edit):
    """Replace the comment in a game, or change the game otherwise after that."""
    game, there = read_game(path)
    game.next().next().comment = words
    change(*there, game)


def delete_game(path, white="Cleo"):
    return delete(path, [place_of(path, white)], AROUND)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "mine.pgn").write_text(TEXT, encoding="utf-8")
    return tmp_path / "mine.pgn"


def earlier_text(path):
    earlier = path.parent / EARLIER / path.name
    return earlier.read_text(encoding="utf-8") if earlier.exists() else ""


@pytest.mark.parametrize("form", FORMS)
def test_a_comment_changes_its_own_bytes_alone(form, tmp_path):
    """One comment turned a file in Windows-1252 with CRLF into UTF-8 with line feeds."""
    text, encoding, mark = FORMS[form]
    path = tmp_path / "mine.pgn"
    path.write_bytes(mark + text.encode(encoding))
    write_words(path, "Übel")
    assert path.read_bytes() == mark + text.replace("Größe", "Übel").encode(encoding)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("white", ["Anna", "Cleo", "Dora"])
def test_a_deleted_game_takes_nothing_else_along(white, form, tmp_path):
    text, encoding, mark = FORMS[form]
    path = tmp_path / "mine.pgn"
    path.write_bytes(mark + text.encode(encoding))
    place = place_of(path, white)
    plain = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    delete_game(path, white)
    line_end = next(sign for sign in ("\r\n", "\r", "\n") if sign in text)
    left = (plain[: place.begin] + plain[place.end :]).decode().replace("\n", line_end)
    assert path.read_bytes() == mark + left.encode(encoding)


CHANGES = {
    "edit": edit,
    "delete": lambda path, place, around, game: delete(path, [place], around),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_text_that_another_program_wrote_is_not_written_over(change, path):
    game, there = read_game(path)
    path.write_text(text := TEXT.replace("Größe", "Mine!"), encoding="utf-8")
    with pytest.raises(DataError, match="has changed"):
        change(*there, game)
    assert path.read_text(encoding="utf-8") == text


def test_a_file_is_changed_while_no_other_program_can_be(path, monkeypatch):
    """The board had said that a game is saved, in a file that a deletion replaced meanwhile."""
    owner = FileLock(path.parent / REVIEWS / ".owner")
    is_free = []
    for step in ("_keep", "_append"):
        monkeypatch.setattr(
            f"uci.library.changes.{step}", lambda *_: is_free.append(owner.try_acquire()) or 0
        )
    delete_game(path)
    save_game(chess.pgn.Game(), path)
    assert is_free == [False, False]


def test_a_file_written_while_it_is_changed_stays(path, monkeypatch):
    """Other programs know nothing of the lock."""
    monkeypatch.setattr("uci.library.changes._keep", lambda *_: path.write_text("1. d4 *"))
    with pytest.raises(DataError, match="has changed"):
        delete_game(path)
    assert path.read_text(encoding="utf-8") == "1. d4 *"


@pytest.mark.parametrize(
    ("data", "refusal"),
    [(gzip.compress(TEXT.encode()), "is packed"), (TEXT.encode("utf-16"), "is in UTF-16")],
)
@pytest.mark.parametrize(
    "change", [delete_game, lambda path: save_game(chess.pgn.Game(), path)], ids=["delete", "save"]
)
def test_a_file_that_cannot_be_changed_in_places_stays(tmp_path, data, refusal, change):
    path = tmp_path / "mine.pgn"
    path.write_bytes(data)
    with pytest.raises(DataError, match=refusal):
        change(path)
    assert path.read_bytes() == data


def test_a_game_that_parts_two_others_is_not_deleted(tmp_path):
    """Without it, the moves behind it would go on with those before it."""
    path = tmp_path / "mine.pgn"
    text = '[White "Anna"]\n\n1. e4 e5\n\n[White "Cleo"]\n\n1. d4 *\n\n2. Nf3 Nc6 *\n'
    path.write_text(text)
    with pytest.raises(DataError, match="a part of another one"):
        delete_game(path)
    assert path.read_text() == text


STANDING = ["{My book}", "; of a club", "% a line of a database", "Some words that are no PGN."]


@pytest.mark.parametrize("words", STANDING)
@pytest.mark.parametrize("before", ["", '[White "Anna"]\n\n1. e4 *\n\n'])
def test_what_stands_before_a_game_is_not_deleted_with_it(tmp_path, before, words):
    """It went, or the game stayed with a wrong reason where that was prose."""
    path = tmp_path / "mine.pgn"
    path.write_text(f'{before}{words}\n\n[White "Cleo"]\n\n1. d4 *\n\n[White "Dora"]\n\n1. c4 *\n')
    delete_game(path)
    assert path.read_text() == f'{before}{words}\n\n[White "Dora"]\n\n1. c4 *\n'


def test_several_games_go_in_one_rewrite(path, monkeypatch):
    """Each one rewrote the file."""
    write = Mock(side_effect=SourceText.write)
    monkeypatch.setattr(SourceText, "write", lambda *words: write(*words))
    delete(path, [place_of(path, "Anna"), place_of(path, "Dora")], AROUND)
    assert [game.tags["White"] for game in find_games(path)] == ["Cleo"]
    write.assert_called_once()


def test_a_refused_change_keeps_a_game_once(path, monkeypatch):
    """On a full disk, each attempt added the game again."""
    with monkeypatch.context() as patched:
        patched.setattr(SourceText, "write", Mock(side_effect=OSError(28, "full")))
        for _attempt in range(3):
            with pytest.raises(DataError, match="full"):
                delete_game(path)
    delete_game(path)
    assert earlier_text(path).count("Cleo") == 1


def test_a_change_of_a_large_file_takes_little_memory(tmp_path):
    """One comment in a file of 120 MB took 1.4 GB."""
    path = tmp_path / "large.pgn"
    filler = "".join(f'[White "A"]\n\n1. e4 {{{"x" * 500}}} *\n\n' for _ in range(1000))
    path.write_text(filler * 32 + '[White "Cleo"]\n\n1. d4 *\n\n' + filler)
    size = path.stat().st_size
    game, (_, place, _) = read_game(path)
    game.comment = "Mine."
    tracemalloc.start()
    edit(path, place, Surroundings(place.begin, place.end), game)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < size
    assert path.stat().st_size == size + len(" {Mine.}")


# ---- what is kept --------------------------------------------------------------------------------


def test_a_deleted_game_is_kept_beside_the_others(path):
    delete_game(path)
    begin = TEXT.index('[Event "Müller Cup"]\n[White "Cleo"')
    assert earlier_text(path).strip() == TEXT[begin : TEXT.index('\n[White "Dora"')].strip()


def test_a_game_is_kept_apart_from_a_part_of_another(path):
    """Its first tag stood in the tag that a program had left half written when it was killed."""
    (path.parent / EARLIER).mkdir()
    (path.parent / EARLIER / path.name).write_text('[White "Ha')
    delete_game(path)
    assert earlier_text(path).startswith('[White "Ha\n\n[Event')


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_kept_of_a_file_that_may_not_be_written(change, path, monkeypatch):
    """Each attempt left a copy, or an empty file which may not be written, and then no game of
    this file could be changed any more.
    """
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(DataError, match="Permission denied"):
        write_words(path, "Other words", change)
    assert not (path.parent / EARLIER).exists()


def test_a_game_whose_words_were_replaced_is_kept_as_it_was(path):
    write_words(path, "Other words")
    assert "{Größe}" in earlier_text(path)


def test_words_that_are_only_added_leave_no_copy(path):
    game, there = read_game(path)
    game.next().comment = "More words"
    edit(*there, game)
    assert earlier_text(path) == ""


def test_a_game_that_cannot_be_kept_stays(path):
    (path.parent / EARLIER).write_text("no folder")
    with pytest.raises(DataError, match=EARLIER):
        delete_game(path)
    assert path.read_text(encoding="utf-8") == TEXT


@posix  # files have no such permissions here
def test_a_private_game_is_kept_in_private(path):
    path.chmod(0o600)
    delete_game(path)
    assert (path.parent / EARLIER / "mine.pgn").stat().st_mode & 0o777 == 0o600


# ---- files ---------------------------------------------------------------------------------------


def test_a_file_goes_with_its_last_game(path):
    path.write_text(TEXT.partition("\n")[2], encoding="utf-8")
    for white in ("Cleo", "Anna", "Dora"):
        change = delete_game(path, white)
    assert change.after is None
    assert not path.exists()


@posix  # links need rights there
def test_a_file_behind_a_link_stays_with_its_link(path, tmp_path):
    """The file was removed where the person keeps it, and the link led to nothing."""
    (folder := tmp_path / "games").mkdir()
    (folder / "link.pgn").symlink_to(path)
    path.write_text('[White "Cleo"]\n\n1. e4 *\n')
    delete_game(folder / "link.pgn")
    assert path.read_text().strip() == ""
    assert (folder / "link.pgn").is_symlink()


@linux  # only Linux tells what is open
def test_open_files_are_not_replaced_here(path):
    """As on Windows, where no game could be edited or deleted: its file was read while its new text
    was put in its place.
    """
    (path.parent / "other").touch()
    with path.open(), pytest.raises(PermissionError):
        os.replace(path.parent / "other", path)


def test_a_file_with_another_spelling_of_the_name_stays(path, monkeypatch):
    """macOS lists an accent otherwise than it was written, and finds the file by both names."""
    upload = path.with_name(".import-1-mine.pgn")
    upload.write_text("1. d4 *")
    monkeypatch.setattr("pathlib.Path.iterdir", lambda folder: iter([]))
    assert finish(take_in(upload, "mine.pgn")) == "mine-2.pgn"
    assert path.read_text(encoding="utf-8") == TEXT
