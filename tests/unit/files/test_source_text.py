"""A file is changed in places, in its own encoding, and stays the same elsewhere."""

import pytest

from engine.errors import DataError
from engine.files.source_text import SourceText, Splice

TEXT = '[White "Müller"]\n\n1. e4 {schön} e5\n2. Nf3 *\n'
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252"]
LINE_ENDS = ["\n", "\r\n", "\r", "\r\r\n"]


@pytest.fixture
def source_of(tmp_path):
    """The whole of a file with some bytes."""

    def make(data):
        (path := tmp_path / "x.pgn").write_bytes(data)
        return SourceText(path, 0, 10**9)

    return make


def splice_at(source, before, words):
    place = source.text.index(before.encode()) + len(before.encode())
    return Splice(place, place, words)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_words_are_written_as_the_file_is(encoding, line_end, source_of):
    """One comment turned a file in Windows-1252 with CRLF into UTF-8."""
    plain, after = TEXT.replace("\n", line_end), TEXT.replace("schön", "schön und\nüber")
    source = source_of(plain.encode(encoding))
    spliced = source.spliced([splice_at(source, "schön", " und\nüber")])
    assert spliced.raw == after.replace("\n", line_end).encode(encoding)


@pytest.mark.parametrize("place", [len(TEXT[:at].encode()) for at in range(len(TEXT) + 1)])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
def test_each_place_of_a_text_is_found_among_the_bytes(encoding, place, source_of):
    data = TEXT.encode()
    source = source_of(TEXT.replace("\n", "\r\n").encode(encoding))
    spliced = source.spliced([Splice(place, place, "ß")])
    assert spliced.text == data[:place] + "ß".encode() + data[place:]


def test_words_in_a_plain_line_follow_the_rest_of_the_file(source_of):
    source = source_of(TEXT.encode("cp1252"))
    assert "Nf3 é".encode("cp1252") in source.spliced([splice_at(source, "Nf3", " é")]).raw


def test_lines_in_two_encodings_keep_theirs(source_of):
    """Collections are put together from files of different encodings."""
    source = source_of("a é\n".encode() + "b é\n".encode("cp1252"))
    spliced = source.spliced([splice_at(source, "a", "ü"), splice_at(source, "b", "ü")])
    assert spliced.raw == "aü é\n".encode() + "bü é\n".encode("cp1252")


def test_a_character_that_the_encoding_lacks_is_told(source_of):
    source = source_of(TEXT.encode("cp1252"))
    with pytest.raises(DataError, match="Windows-1252, which has no 'ж'"):
        source.spliced([splice_at(source, "schön", " ж")])


def test_words_that_would_be_read_as_others_are_refused(source_of):
    """Two characters of Windows-1252 can be one of UTF-8."""
    source = source_of(b"a\n" + "é\n".encode("cp1252"))
    with pytest.raises(DataError, match="not be read again"):
        source.spliced([splice_at(source, "a", "Ã©")])


def test_a_tag_that_is_not_read_as_it_stands_is_refused(source_of):
    source = source_of(b"[White &quot;A&quot;]\n1. e4 *\n")
    with pytest.raises(DataError, match="not written as it is read"):
        source.spliced([Splice(9, 9, "x")])


def test_places_behind_the_first_piece_are_found(source_of):
    lines = "".join(f"{number} é\r\n" for number in range(200_000))
    source = source_of(lines.encode("cp1252"))
    spliced = source.spliced([splice_at(source, "\n199999", "ü")])
    assert spliced.raw == lines.replace("\r\n199999", "\r\n199999ü").encode("cp1252")


def test_a_window_in_a_large_file_is_changed_in_its_place(tmp_path):
    lines = [f"{number} é\r\n" for number in range(300_000)]
    (path := tmp_path / "x.pgn").write_bytes("".join(lines).encode("cp1252"))
    place = len("".join(lines[:200_000]).replace("\r", "").encode())
    source = SourceText(path, place, place)
    source.write(source.spliced([Splice(place, place, "ü")]))
    lines[200_000] = f"ü{lines[200_000]}"
    assert path.read_bytes() == "".join(lines).encode("cp1252")


def test_a_file_that_was_changed_meanwhile_is_not_written(source_of, tmp_path):
    source = source_of(b"1. e4 *\n")
    (tmp_path / "x.pgn").write_bytes(b"1. d4 *\n")
    with pytest.raises(DataError, match="has changed meanwhile"):
        source.write(source.spliced([splice_at(source, "e4", " {x}")]))
    assert (tmp_path / "x.pgn").read_bytes() == b"1. d4 *\n"
