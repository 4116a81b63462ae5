"""Games, and the many forms in which people and programs write them."""

import functools
import random
import re
import textwrap

import chess

from tests.boards import table

TAGS = {
    "Event": "Test",
    "White": "Müller, J.",
    "Black": "Łukasz",
    "Result": "1-0",
    "WhiteElo": "2100",
    "BlackElo": "?",
}


@functools.cache
def played_game(seed, plies=70):
    """A random game that castles, promotes and takes en passant where it can; the last move is no
    end of the game.
    """
    rng = random.Random(seed)
    board = chess.Board()
    for _ in range(plies):
        moves = list(board.legal_moves)
        rare = [
            move
            for move in moves
            if board.is_castling(move) or board.is_en_passant(move) or move.promotion
        ]
        board.push(
            rng.choice(
                rare
                or [move for move in moves if board.is_capture(move)] * (rng.random() < 0.3)
                or moves
            )
        )
        if board.is_game_over():
            board.pop()
            break
    return tuple(board.move_stack)


def words_of(moves, write):
    board = chess.Board()
    words = []
    for move in moves:
        words.append(write(board, move))
        board.push(move)
    return words


def san(board, move):
    return board.san(move)


def long_san(board, move):
    if board.is_castling(move):
        return board.san(move)
    text = board.uci(move)
    letter = chess.piece_symbol(board.piece_type_at(move.from_square)).upper().removeprefix("P")
    sign = "x" if board.is_capture(move) else "-"
    return f"{letter}{text[:2]}{sign}{text[2:]}"


def numbered(words, number="{n}. ", black=""):
    """Movetext: `number` before White's moves, `black` before Black's."""
    parts = []
    for ply, word in enumerate(words):
        parts.append((black if ply % 2 else number).format(n=ply // 2 + 1) + word)
    return " ".join(parts)


def tag_section(tags):
    return "".join(f'[{name} "{value}"]\n' for name, value in tags.items())


def whole(movetext, tags=None, result="1-0"):
    return f"{tag_section(TAGS if tags is None else tags)}\n{movetext} {result}\n\n"


def wrapped(text):
    return textwrap.fill(text, 79, break_long_words=False, break_on_hyphens=False)


def in_letters(letters):
    """English SAN in another language's letters."""
    table = dict(zip("KQRBN", letters.split(), strict=False))
    return lambda words: [
        word if word[0] == "O" else re.sub("[KQRBN]", lambda m: table[m[0]], word) for word in words
    ]


def replaced(old, new):
    return lambda words: [re.sub(old, new, word) for word in words]


def behind(*tails):
    """Each word with one of these behind it, in turn."""
    return lambda words: [word + tails[ply % len(tails)] for ply, word in enumerate(words)]


def around(form):
    """Each word as it stands in `form`."""
    return lambda words: [form.format(word) for word in words]


def with_numbers(number, black=""):
    """A game whose moves are numbered so."""
    return lambda words: whole(numbered(words, number, black))


def with_text(*changes, number="{n}. "):
    """A game whose moves are numbered, and their text changed."""

    def written(words):
        text = numbered(words, number)
        for old, new in changes:
            text = text.replace(old, new)
        return whole(text)

    return written


def with_page(old, new):
    """A game whose whole text is changed."""
    return lambda words: re.sub(old, new, whole(numbered(words)))


LETTERS = dict(
    table("""
German | K D T L S
French | R D T F C
Spanish | R D T A C
Portuguese | R D T B C
Dutch | K D T L P
Polish | K H W G S
Czech | K D V S J
Hungarian | K V B F H
Swedish | K D T L S
Italian | R D T A C
Russian | Кр Ф Л С К
white figurines | ♔ ♕ ♖ ♗ ♘
black figurines | ♚ ♛ ♜ ♝ ♞
""")
)
# Changes of the words of a game; python-chess reads those in PLAIN rightly, too.
WORDS = {
    "zeros": replaced("O", "0"),
    "small o": replaced("O", "o"),
    "en dashes": replaced("-", "–"),
    "em dashes": replaced("-", "—"),
    "colons": replaced("x", ":"),
    "multiplication signs": replaced("x", "×"),
    "no captures": replaced("x", ""),
    "no checks": replaced("[+#]", ""),
    "double plus": replaced(r"\+", "++"),
    "daggers": replaced(r"\+", "†"),
    "promotion without sign": replaced("=", ""),
    "promotion in brackets": replaced("=(.)", r"(\1)"),
    "promotion with slash": replaced("=(.)", r"/\1"),
    "small promotion": replaced("=.", lambda match: match[0].lower()),
    "marks": behind("!", "?", "!!", "??", "!?", "?!", ""),
    "signs": behind(" ±", " ∓", "⩲", " +-", " -+", " □", " ∞"),
    "numbers for marks": behind(*(f" ${number}" for number in range(1, 21))),
    "clocks": behind(*(f" {{ [%clk 0:0{minutes}:00] }}" for minutes in range(10))),
    "comments with everything": around('{0} {{1-0 (e4 ; [x "y"] \n% $}}'),
    "line comments": around("{0} ; best (by far}} {{\n"),
    "variations": around("{0} ( {0} {{why not? )}} ({0}) 1-0 )"),
    **{name: in_letters(letters) for name, letters in LETTERS.items()},
}
PLAIN = (
    "zeros, no captures, no checks, double plus, promotion without sign, small promotion, marks, "
    "numbers for marks, clocks, comments with everything, variations"
).split(", ")
# Changes of the text of a game.
TEXTS = {
    "one line": with_text(),
    "wrapped": lambda words: whole(wrapped(numbered(words))),
    "numbers with a bracket": with_numbers("{n}) "),
    "numbers without a dot": with_numbers("{n} "),
    "glued numbers": with_numbers("{n}."),
    "glued moves": lambda words: whole(
        re.sub(r"(\S) (?=[^\d\s(])", r"\1", numbered(words, "{n}."))
    ),
    "black numbers": with_numbers("{n}. ", "{n}... "),
    "ellipses": with_numbers("{n}. ", "{n}… "),
    "dots alone": with_numbers("{n} . ", "... "),
    "no numbers": with_numbers(""),
    "underscores": with_text((" ", "_"), number="{n}._"),
    "a word a line": with_text((" ", "\n\n"), number="{n}."),
    "tabs and form feeds": with_text((" ", "\t \f\n \n")),
    "no-break spaces": with_text((" ", "\n\xa0\n\u2003"), number="{n}.\xa0"),
    "escape lines": lambda words: (
        "% made by a program\n" + with_text((" 5. ", "\n% 9. Nf3 1-0\n5. "))(words)
    ),
    "no empty line": with_page("\n\n", "\n"),
    "double spaced": with_page("\n", "\n\n"),
    "tags in one line": lambda words: (
        tag_section(TAGS).replace("\n", "") + numbered(words) + " 1-0\n"
    ),
    "quotes in tags": lambda words: whole(
        numbered(words), TAGS | {"Event": 'The "big" one', "Site": r"a \"b\" \\ c"}
    ),
    "quotes of word processors": with_page('"(.*)"', "“\\1”"),
    "quotes of pages": with_page('"', "&quot;"),
    "no result": lambda words: tag_section(TAGS) + "\n" + numbered(words) + "\n\n",
    "glued result": lambda words: tag_section(TAGS) + "\n" + numbered(words) + "1-0\n\n",
    "result with a dash": lambda words: whole(numbered(words), result="1–0"),
    "no tags": lambda words: numbered(words) + " 1-0\n\n",
    "comment behind the result": lambda words: whole(numbered(words), result="1-0 {White wins}"),
    "marks of direction": with_text((" ", "\u200e \u2060")),
}
WRAPPED = {
    "forum": lambda words: f"[pgn]\n{whole(wrapped(numbered(words)))}[/pgn]\n\n",
    "forum in one line": lambda words: f"[PGN height=400]{numbered(words)} 1-0[/PGN]\n",
    "page": lambda words: f'<pre class="pgn">{whole(numbered(words))}</pre>\n'.replace(
        "\n", "\r\n"
    ),
    "fenced": lambda words: f"```pgn\n{whole(wrapped(numbered(words)))}```\n",
    "quoted mail": lambda words: (
        re.sub("^", "> ", whole(wrapped(numbered(words))), flags=re.M) + "\n"
    ),
}
PLAIN_TEXTS = (
    "one line, wrapped, glued numbers, black numbers, numbers without a dot, no numbers, escape lines, "
    "no result"
).split(", ")
