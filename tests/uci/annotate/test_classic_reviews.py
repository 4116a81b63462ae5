"""Famous games as `aino annotate` reviews them without any flag: what must be marked, and what
Stockfish says to it.
"""

import chess.pgn
import pytest

from benchmarks.reviews import check
from uci.main import main

OPERA = """\
[White "Paul Morphy"]
[Black "Duke Karl / Count Isouard"]
[Result "1-0"]

1. e4 e5 2. Nf3 d6 3. d4 Bg4 4. dxe5 Bxf3 5. Qxf3 dxe5 6. Bc4 Nf6 7. Qb3 Qe7 8. Nc3 c6 9. Bg5 b5 10. Nxb5 cxb5
11. Bxb5+ Nbd7 12. O-O-O Rd8 13. Rxd7 Rxd7 14. Rd1 Qe6 15. Bxd7+ Nxd7 16. Qb8+ Nxb8 17. Rd8# 1-0
"""
IMMORTAL = """\
[White "Adolf Anderssen"]
[Black "Lionel Kieseritzky"]
[Result "1-0"]

1. e4 e5 2. f4 exf4 3. Bc4 Qh4+ 4. Kf1 b5 5. Bxb5 Nf6 6. Nf3 Qh6 7. d3 Nh5 8. Nh4 Qg5 9. Nf5 c6 10. g4 Nf6 11. Rg1 cxb5
12. h4 Qg6 13. h5 Qg5 14. Qf3 Ng8 15. Bxf4 Qf6 16. Nc3 Bc5 17. Nd5 Qxb2 18. Bd6 Bxg1 19. e5 Qxa1+ 20. Ke2 Na6
21. Nxg7+ Kd8 22. Qf6+ Nxf6 23. Be7# 1-0
"""
EVERGREEN = """\
[White "Adolf Anderssen"]
[Black "Jean Dufresne"]
[Result "1-0"]

1. e4 e5 2. Nf3 Nc6 3. Bc4 Bc5 4. b4 Bxb4 5. c3 Ba5 6. d4 exd4 7. O-O d3 8. Qb3 Qf6 9. e5 Qg6 10. Re1 Nge7 11. Ba3 b5
12. Qxb5 Rb8 13. Qa4 Bb6 14. Nbd2 Bb7 15. Ne4 Qf5 16. Bxd3 Qh5 17. Nf6+ gxf6 18. exf6 Rg8 19. Rad1 Qxf3 20. Rxe7+ Nxe7
21. Qxd7+ Kxd7 22. Bf5+ Ke8 23. Bd7+ Kf8 24. Bxe7# 1-0
"""
# Two games between weak levels of Aino, in which many moves are bad.
WEAK = """\
[White "Aino 500"]
[Black "Aino 800"]
[Result "0-1"]

1. Nc3 e5 2. g4 g6 3. e4 Nc6 4. h3 Nge7 5. Bg2 d6 6. d4 exd4 7. Nd5 Bg7 8. h4 Nxd5 9. exd5 Nb8 10. Qe2+ Qe7 11.
Bf4 O-O 12. Qxe7 Na6 13. O-O-O Bxg4 14. Qe1 Nc5 15. f3 Bf5 16. b4 Rfe8 17. Kd2 a5 18. bxc5 Rxe1 19. c6 Rxd1+ 20.
Kxd1 b5 21. Nh3 Rc8 22. Bd2 Re8 23. Bxa5 Bxh3 24. Rxh3 Ra8 25. Be1 Rxa2 26. Kc1 Bf6 27. Rg3 Ra1+ 28. Kd2 h6 29.
Rh3 Kf8 30. h5 Bg5+ 31. f4 gxh5 32. Kd3 Rc1 33. Rxh5 Rxe1 34. fxg5 b4 35. Bh1 hxg5 36. Bf3 f5 37. Rh1 Re3+ 38. Kd2
f4 39. Bd1 Kg7 40. Rf1 Kf6 41. Rf2 Rg3 42. c3 bxc3+ 43. Ke2 g4 44. Kf1 Ke5 45. Ra2 d3 46. Ra7 Kxd5 47. Rxc7 Kc5
48. Rc8 c2 49. Rf8 cxd1=Q+ 50. Kf2 Qe2# 0-1

[White "Aino 1100"]
[Black "Aino 800"]
[Result "0-1"]

1. Nh3 f5 2. b4 e6 3. a3 Nc6 4. e3 Nf6 5. Bb2 a5 6. b5 Na7 7. c4 Be7 8. d3 b6 9. d4 d6 10. Nf4 c6 11. Nc3 Bd7 12.
Be2 O-O 13. O-O Qe8 14. h3 Nc8 15. bxc6 Bxc6 16. Nxe6 Qg6 17. Nxf8 Qxg2# 0-1
"""
BAD, BRILLIANT = {2, 4, 6}, {3}  # NAGs
# A game, and of its moves: who plays it at which number, one of the marks it must have, and words
# of its comment.
CLASSICS = {
    "opera": (OPERA, {
        "6... Nf6": (BAD, "Better was Qd7"),
        "13. Rxd7": (BRILLIANT, "sacrifice"),
        "15... Nxd7": ({2}, "allows mate in 2"),
        "16. Qb8+": (BRILLIANT, "sacrifice"),
    }),
    "immortal": (IMMORTAL, {
        "18. Bd6": ({2, 4}, "Better was Re1"),
        "18... Bxg1": (BAD, "Better was Qxa1+"),
    }),
    "evergreen": (EVERGREEN, {
        "17. Nf6+": ({2, 4}, "Better was Ng3"),
        "20... Nxe7": ({2, 4}, "allows mate in 4"),
        "21. Qxd7+": (BRILLIANT, "sacrifice"),
    }),
    "weak": (WEAK, {}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "name", ["opera", "immortal", "weak", pytest.param("evergreen", marks=pytest.mark.overlong)]
)
def test_a_famous_game_is_marked_as_stockfish_would(name, tmp_path, stockfish):
    text, expected = CLASSICS[name]
    path = tmp_path / "game.pgn"
    path.write_text(text)
    nodes = ["--nodes=500"] if name == "weak" else []
    assert main(["annotate", str(path), "--threads=1", *nodes]) == 0
    reviewed = tmp_path / "game.annotated.pgn"
    with reviewed.open(encoding="utf-8") as file:
        game = chess.pgn.read_game(file)
    nodes = {
        f"{(node.ply() + 1) // 2}.{'' if node.ply() % 2 else '..'} {node.san()}": node
        for node in game.mainline()
    }
    for move, (marks, words) in expected.items():
        assert nodes[move].nags & marks, f"{move}: {nodes[move].nags} {nodes[move].comment}"
        assert words in nodes[move].comment
    assert not expected or not any(nodes[move].nags & BAD for move in list(nodes)[-3:]), (
        "the mate itself"
    )
    _rows, claims = check([reviewed], stockfish, 100_000)
    wrong = [row for row in claims if not row["holds"]]
    assert name != "weak" or sum("costs" in str(row["claim"]) for row in claims) > 8, (
        "reasons, too, are claims"
    )
    assert not [row for row in wrong if "mate" in str(row["claim"])]
    assert len(wrong) <= len(claims) / 2, "of what is an inaccuracy, engines may think differently"
