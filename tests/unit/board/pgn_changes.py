"""Changes single characters of good games: what is read is the same games, or a fault that names
its place.

python -m tests.unit.board.pgn_changes SEED COUNT
"""

import io
import random
import re
import sys
from collections import Counter

from engine.board.pgn.game_reader import GameText, read_games
from engine.board.pgn.main_lines import main_lines
from tests.unit.board.pgn_forms import numbered, played_game, san, whole, words_of, wrapped

CHARACTERS = [*"abcdefgh12345678NBRQKOx=+#!?.-/*0 \n\t{}()[];%$\"<>_:PDSZT\\~|&^'@é♘\x00"]
MOVE = re.compile(r"(?:[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](?:=[QRBN])?|O-O(?:-O)?)[+#]?")
PLACE = re.compile(r"\d+:\d+: ")


def good_texts():
    """Games in four common forms, each with another game behind it."""
    texts = []
    for seed in range(12):
        words = words_of(played_game(seed, plies=24), san)
        clocks = [f"{word} {{ [%clk 0:0{i % 10}:00] }}" for i, word in enumerate(words)]
        noted = [
            word + (f" $1 {{good}} ({word} {{why}} $2)" if i % 9 == 4 else "")
            for i, word in enumerate(words)
        ]
        forms = (
            wrapped(numbered(words)),
            numbered(clocks, "{n}. ", "{n}... "),
            wrapped(numbered(noted)),
            re.sub(r"((?:\S+ ){5}\S+) ", r"\1\n", numbered(words)),
        )
        texts.append(whole(forms[seed % 4], {"Event": "x", "White": "A", "Result": "1-0"}))
    return texts


def change(text, rng):
    """The text with one character replaced, inserted or left out, and where."""
    place = rng.randrange(len(text))
    character = rng.choice(CHARACTERS)
    rest = (text[place + 1 :], text[place:])
    return rng.choice(
        (
            text[:place] + character + rest[0],
            text[:place] + character + rest[1],
            text[:place] + rest[0],
        )
    ), place


def lines_of(text):
    return list(main_lines(GameText(io.BytesIO(text.encode()))))


def the_game(game):
    return game.moves.tolist(), game.result or game.tag_result


def kind_of(changed_games, games, text, changed, place):
    """What a change at a place of the first of two games did: fault, same, tag, mark, move, or
    WRONG.
    """
    faults = [game.fault for game in changed_games if game.fault]
    if faults:
        return "fault" if all(map(PLACE.match, faults)) else "WRONG: no place"
    if [the_game(game) for game in changed_games] == [the_game(game) for game in games]:
        return "same"
    if text[text.rfind("\n", 0, place) + 1] == "[":
        return "tag"  # of a result, or of a tag that now says another start
    near = [match for match in MOVE.finditer(text) if match.start() - 1 <= place <= match.end()]
    if near and changed[place] == "$":
        return "mark"  # of the move before
    if near and [len(game.moves) for game in changed_games] == [len(game.moves) for game in games]:
        return "move"  # the word is another move, and what follows is legal
    return "WRONG: another game"


def agree(text, lines):
    """Whether the reader of whole games finds the same main lines, and the same faults outside
    variations.
    """
    games = list(read_games(text))
    trees = [[move.uci() for move in game.game.mainline_moves()] for game in games]
    main_faults = [game.fault for game in lines if game.fault]
    all_faults = [str(fault) for game in games for fault in game.faults]
    return [len(moves) for moves in trees] == [len(game.moves) for game in lines] and set(
        main_faults
    ) <= set(all_faults)


def changes(seed, count):
    """(kind, changed text) of random changes."""
    rng = random.Random(seed)
    texts = good_texts()
    pairs = [(text, text + texts[number - 1]) for number, text in enumerate(texts)]
    games = [lines_of(pair) for _, pair in pairs]
    for number in range(count):
        choice = rng.randrange(len(pairs))
        first, pair = pairs[choice]
        changed, place = change(first, rng)
        changed += pair[len(first) :]
        changed_games = lines_of(changed)
        kind = kind_of(changed_games, games[choice], pair, changed, place)
        if number % 8 == 0 and not agree(changed, changed_games):
            kind = "WRONG: two speeds"
        yield kind, changed


if __name__ == "__main__":
    counts = Counter()
    for kind, text in changes(int(sys.argv[1]), int(sys.argv[2])):
        counts[kind] += 1
        if kind.startswith("WRONG") and counts[kind] < 20:
            print(kind, repr(text), flush=True)
    print(dict(counts))
