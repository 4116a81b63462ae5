"""Each fault of the grammar twice in a row: the games are those of one fault."""

import pytest

from engine.board.pgn.game_reader import read_games
from tests.boards import table

TAGS = ['[Event "x"]', '[White "A"]', '[Black "B"]']
MOVES = "1. e4 e5 {} 2. Nf3 *"
NEXT = '\n\n[Event "y"]\n[White "C"]\n\n1. d4 d5 1-0\n'
NO_TAGS = table(r"""
names of two words | [White Elo "2000"] | [Black Elo "1900"]
one name of two words | [White Elo "2000"] | [White Elo "2000"]
other quotes | [White Elo '2000'] | [Black Elo '1900']
no quotes | [Round 1] | [Site here]
no quotes behind a name that is there | [White A] | [Black B]
no brackets' end | [Round "1" | [Site "x"
no quotes' end | [Round "1] | [Site "x]
no values | [Round] | [Site]
nothing | [] | []
brackets alone | [ | [
signs in names | [White.Elo "2000"] | [Black.Elo "1900"]
letters of other languages | [Ründe "1"] | [Örtchen "1"]
a comment before one | {x} | [White Elo "2000"]
a comment between two | [White Elo "2000"]\n{x} | [Black Elo "1900"]
an escaped line before one | %x | [White Elo "2000"]
""")
IN_MOVES = table(r"""
]
)
(
{
1-0
*
[x]
[White Elo "1"]
\n[White Elo "1"]\n
\n{\n
~
Zz9
Ke5
$
7. 7.
!
()
(Ke5)
;x\n
x;y\n
{a {b}
}
\nHello\n
...
"x"
½-½
White wins
\n[%clk 1]\n
""")


def games_in(text):
    return [
        (read.game.headers["White"], read.game.headers["Black"], len(list(read.game.mainline())))
        for read in read_games(text)
        if read.number
    ]


@pytest.mark.parametrize(("name", "first", "second"), NO_TAGS)
@pytest.mark.parametrize("place", [1, 3])
def test_two_tags_that_are_none_split_no_game(place, name, first, second):
    """A game with names and no moves was followed by one with moves and no names: that a fault was
    counted stood for being behind the tags.
    """
    lines = [*TAGS[:place], first, second, *TAGS[place:], "", MOVES.format("")]
    assert games_in("\n".join(lines) + NEXT) == [("A", "B", 3), ("C", "?", 2)]


@pytest.mark.parametrize("word", [word for (word,) in IN_MOVES])
def test_two_faults_among_moves_are_as_one(word):
    texts = [
        "\n".join([*TAGS, "", MOVES.format(words)]) + NEXT for words in (word, f"{word} {word}")
    ]
    once, twice = map(games_in, texts)
    assert twice == once
    assert once[-1] == ("C", "?", 2)
