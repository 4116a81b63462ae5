"""A file is changed in places, in its own encoding, and stays the same elsewhere."""

import pytest

from engine.errors import DataError
from engine.files.source_text import SourceText, Splice

TEXT = '[White "Müller"]\n\n1. e4 {schön} e5\n2. Nf3 *\n'
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "utf-16-le", "utf-16-be", "utf-16", "utf-32-le"]
LINE_ENDS = ["\n", "\r\n", "\r", "\r\r\n"]


def splice_at(source, before, words):
    place = source.text.index(before.encode()) + len(before.encode())
    return Splice(place, place, words)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_words_are_written_as_the_file_is(encoding, line_end):
    """One comment turned a file in Windows-1252 with CRLF into UTF-8."""
    plain, after = TEXT.replace("\n", line_end), TEXT.replace("schön", "schön und\nüber")
    source = SourceText(plain.encode(encoding))
    spliced = source.spliced([splice_at(source, "schön", " und\nüber")])
    assert spliced.data == after.replace("\n", line_end).encode(encoding)


@pytest.mark.parametrize("place", [len(TEXT[:at].encode()) for at in range(len(TEXT) + 1)])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_each_place_of_a_text_is_found_among_the_bytes(encoding, place):
    data = TEXT.encode()
    source = SourceText(TEXT.replace("\n", "\r\n").encode(encoding))
    spliced = source.spliced([Splice(place, place, "ß")])
    assert spliced.text == data[:place] + "ß".encode() + data[place:]


def test_words_in_a_plain_line_follow_the_rest_of_the_file():
    source = SourceText(TEXT.encode("cp1252"))
    assert "Nf3 é".encode("cp1252") in source.spliced([splice_at(source, "Nf3", " é")]).data


def test_lines_in_two_encodings_keep_theirs():
    """Collections are put together from files of different encodings."""
    source = SourceText("a é\n".encode() + "b é\n".encode("cp1252"))
    spliced = source.spliced([splice_at(source, "a", "ü"), splice_at(source, "b", "ü")])
    assert spliced.data == "aü é\n".encode() + "bü é\n".encode("cp1252")


def test_a_character_that_the_encoding_lacks_is_told():
    source = SourceText(TEXT.encode("cp1252"))
    with pytest.raises(DataError, match="Windows-1252, which has no 'ж'"):
        source.spliced([splice_at(source, "schön", " ж")])


def test_words_that_would_be_read_as_others_are_refused():
    """Two characters of Windows-1252 can be one of UTF-8."""
    source = SourceText(b"a\n" + "é\n".encode("cp1252"))
    with pytest.raises(DataError, match="not be read again"):
        source.spliced([splice_at(source, "a", "Ã©")])


def test_a_tag_that_is_not_read_as_it_stands_is_refused():
    source = SourceText(b"[White &quot;A&quot;]\n1. e4 *\n")
    with pytest.raises(DataError, match="not written as it is read"):
        source.spliced([Splice(9, 9, "x")])


def test_places_behind_the_first_piece_are_found():
    lines = "".join(f"{number} é\r\n" for number in range(200_000))
    source = SourceText(lines.encode("cp1252"))
    spliced = source.spliced([splice_at(source, "\n199999", "ü")])
    assert spliced.data == lines.replace("\r\n199999", "\r\n199999ü").encode("cp1252")
