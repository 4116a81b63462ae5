"""What the author of a game wrote into it: its name, comments, arrows and variations, apart from
Aino's own review.

In a PGN, `[%aino 9-d8d5bca1 ...]` stands behind 9 words of a review with this checksum, and its
variations of 6 moves begin with `[%aino 6 plies]`, so that the next review replaces them and
nothing else: what was changed in them is its author's. Version 1.0 wrote `[%aino 9 ...]` and
`[%aino]`.
"""

import re
import zlib
from collections.abc import Mapping, Sequence

import chess
import chess.pgn

REVIEW_MARK = "[%aino"
_MARK = re.compile(r"\[%aino\s([1-9]\d{0,3})(-[0-9a-f]{8})?(\sevals|(?:\s\d{1,3})*)\]")
_WORD = re.compile(r"\S+")
_COMMAND = re.compile(r"\s*\[%[^\]]*\]")
_DRAWING = re.compile(r"\s*\[%(csl|cal)\s+([^\]]*)\]")
_SHAPE = re.compile(r"([GRYB])([a-h][1-8])([a-h][1-8])?")
COLOURS = {"G": "green", "R": "red", "Y": "yellow", "B": "blue"}  # of what is drawn
# What is shown for a numeric annotation glyph, by the symbols of the Informator. Others are shown
# as PGN writes them. https://en.wikipedia.org/wiki/Numeric_Annotation_Glyphs.
GLYPHS = {1: "!", 2: "?", 3: "!!", 4: "??", 5: "!?", 6: "?!", 7: "□", 8: "□", 10: "=", 11: "=", 12: "=", 13: "∞",
          14: "⩲", 15: "⩱", 16: "±", 17: "∓", 18: "+−", 19: "−+", 20: "+−", 21: "−+", 22: "⨀", 23: "⨀", 32: "⟳",
          33: "⟳", 36: "↑", 37: "↑", 40: "→", 41: "→", 44: "=∞", 45: "=∞", 132: "⇆", 133: "⇆", 138: "⊕", 139: "⊕",
          140: "∆", 142: "⌓", 146: "N"}  # fmt: skip

Shape = tuple[chess.Square, chess.Square, str]  # from, to, colour; a circle goes to its own square


def game_name(headers: Mapping[str, str]) -> str:
    """Return what a game is called: the chapter of a study, its players, or else its event."""
    facts = {name: text for name, text in headers.items() if is_told(text)}
    players = facts.get("White", "?"), facts.get("Black", "?")
    title = facts.get("ChapterName", "")
    if not title and players == ("?", "?"):
        title = facts.get("Event", "")
    return title or " – ".join(players)


def is_told(text: str) -> bool:
    """Whether a tag tells anything: programs write "", ?, - and ????.??.?? for what is not known or
    does not apply.
    """
    return bool(text.strip("?.- "))


def with_review(comment: str, words: str, facts: str = "") -> str:
    """Return a comment with words of a review behind it, and with `facts` for the next one."""
    review = words.split()
    mark = f"{REVIEW_MARK} {len(review)}{_checksum(review)} {facts}".rstrip()
    return f"{comment} {words} {mark}]".strip()


def _checksum(words: Sequence[str]) -> str:
    return f"-{zlib.crc32(' '.join(words).encode()):08x}"


def without_review(comment: str) -> tuple[str, str | None]:
    """Return a comment without a review's words, and the facts of its mark; None without one."""
    before, review, behind, facts = _parts(comment)
    if review:
        comment = f"{before} {behind.strip()}".strip()
    return comment, facts


def with_author_text(comment: str, text: str) -> str:
    """Return a comment with other words of its author where the first of them stood. Commands for
    programs and a review's words stay.
    """
    before, review, behind, _ = _parts(comment)
    words_and_commands = re.split(r"(\[%[^\]]*\])", f"{before} {behind}")  # in turn
    words = words_and_commands[::2]
    place = next((number for number, word in enumerate(words) if word.strip()), 0)
    words_and_commands[::2] = [""] * len(words)
    # A comment ends with the first brace.
    words_and_commands[2 * place] = text.replace("{", "(").replace("}", ")")
    return " ".join(filter(None, map(str.strip, (*words_and_commands, review))))


def _parts(comment: str) -> tuple[str, str, str, str | None]:
    """Return what stands before a review's words, these with their mark, what stands behind, and
    the mark's facts.
    """
    mark = _MARK.search(comment)
    if mark is None:
        return comment, "", "", None
    words = list(_WORD.finditer(comment, 0, mark.start()))
    count = int(mark[1])
    begin = end = mark.start()
    for last in range(len(words), count - 1, -1):
        run = words[last - count : last]
        if mark[2] in (None, _checksum([word[0] for word in run])):
            begin = run[0].start()
            end = run[-1].end()
            break
    review = f"{comment[begin:end]} {mark[0]}".strip()
    behind = comment[end : mark.start()].rstrip() + comment[mark.end() :]
    return comment[:begin].rstrip(), review, behind, mark[3].strip()


def review_mark(plies: int) -> str:
    """Return what a variation of a review begins with."""
    return f"{REVIEW_MARK} {plies} plies]"


def is_of_review(variation: chess.pgn.ChildNode) -> bool:
    """Whether a review added a variation, and nobody has added anything to it."""
    line = [variation, *variation.mainline()]
    marks = ([f"{REVIEW_MARK}]"], review_mark(len(line)).split())  # as it may be wrapped
    return variation.starting_comment.split() in marks and not any(
        node.comment or node.nags or len(node.variations) > 1 for node in line
    )


def author_text(comment: str) -> str:
    """Return the words of a comment, without commands for programs, such as clock times, and
    without a review's.
    """
    return _COMMAND.sub("", without_review(comment)[0]).strip()


def notes_at(node: chess.pgn.GameNode) -> str:
    """Return what the author wrote before a move of a variation and behind it."""
    comments = filter(None, (node.starting_comment, node.comment))
    return " ".join(filter(None, map(author_text, comments)))


def drawn_by(node: chess.pgn.GameNode) -> list[Shape]:
    """Return the arrows and circles of a node."""
    shapes = list[Shape]()
    for _name, texts in _DRAWING.findall(node.comment):
        for text in texts.split(","):
            shape = _SHAPE.fullmatch(text.strip())
            if shape is not None:
                letter, source, target = shape.groups(shape[2])
                squares = chess.parse_square(source), chess.parse_square(target)
                shapes.append((*squares, COLOURS[letter]))
    return shapes


def with_drawing(comment: str, shapes: Sequence[Shape]) -> str:
    """Return a comment with other arrows and circles. What is neither stays in its command."""
    before, review, behind, _ = _parts(comment)
    circles = list[str]()
    arrows = list[str]()
    letters = {colour: letter for letter, colour in COLOURS.items()}
    for source, target, colour in shapes:
        letter = letters[colour]
        if source == target:
            circles.append(f"{letter}{chess.square_name(source)}")
        else:
            arrows.append(f"{letter}{chess.square_name(source)}{chess.square_name(target)}")
    parts = (
        _DRAWING.sub(_without_shapes, before),
        _drawing("csl", circles) + _drawing("cal", arrows),
        review,
        _DRAWING.sub(_without_shapes, behind),
    )
    return " ".join(filter(None, map(str.strip, parts)))


def _without_shapes(match: re.Match[str]) -> str:
    words = [text for text in match[2].split(",") if not _SHAPE.fullmatch(text.strip())]
    return f" {_drawing(match[1], words)}".rstrip()


def _drawing(name: str, shapes: Sequence[str]) -> str:
    """Return the command that draws shapes; "" for none."""
    if not shapes:
        return ""
    return f"[%{name} {','.join(shapes)}]"


def glyphs_of(node: chess.pgn.GameNode) -> list[int]:
    """Return the author's glyphs on a move, by their numbers, also where a review has its own
    there.
    """
    facts = (without_review(node.comment)[1] or "").split()
    if not all(map(str.isdecimal, facts)):
        return sorted(node.nags)
    return sorted((node.nags - set(map(int, facts[:1]))) | set(map(int, facts[1:])))


def glyph_text(glyph: int) -> str:
    """Return what is shown for a glyph."""
    return GLYPHS.get(glyph, f"${glyph}")


def author_lines(node: chess.pgn.GameNode) -> list[chess.pgn.ChildNode]:
    """Return the first moves of the author's alternatives to the main move of a node."""
    return [variation for variation in node.variations[1:] if not is_of_review(variation)]
