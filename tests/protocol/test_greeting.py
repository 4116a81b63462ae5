"""The answer to `uci`, read as the GUIs read it, and sent back as they send it back.

Cute Chess splits the whole line at the six keywords, wherever they stand; Polyglot (through which
xboard speaks UCI) reads a keyword, then all words up to the next one. Both mangle an option whose
name or value holds a keyword as a word.
"""

import itertools
from collections import defaultdict
from dataclasses import replace

import pytest

from engine.options import OPTIONS, EngineOptions
from tests.protocol.fake_engine import Conversation

KEYWORDS = ("name", "type", "default", "min", "max", "var")
# Another value than the built-in one for every option that GUIs send back, as a file or flags may
# set it.
OTHERS = EngineOptions(
    hash_mib=64, threads=3, move_overhead_ms=7, multi_pv=4, weights_file="my nets/second best.dit",
    evaluator="hybrid", backend="numpy", hybrid_weight=0.25, cpuct_init=2.5, fpu_reduction=0.25, preset="lc0",
    draw_score=-20, contempt=15, seed=9, syzygy_path="/tables/three four:/tables/five", syzygy_fifty_move_rule=False,
    own_book=True, book_file="/books/my lines.bin", verbose_move_stats=True,
)  # fmt: skip


def read(line):
    """The texts behind each keyword, split at keywords; one with nothing behind it is passed over."""
    texts = defaultdict(list)
    keyword = ""
    for is_keyword, words in itertools.groupby(line.split()[1:], key=KEYWORDS.__contains__):
        text = list(words)
        if is_keyword:
            keyword = text[-1]
        elif keyword:
            texts[keyword].append(" ".join(text))
    return texts


def announced(options):
    """The options of a greeting, as a GUI reads them."""
    talk = Conversation()
    talk.session.options = options
    talk.say("uci")
    return list(map(read, talk.answers("option")))


@pytest.mark.parametrize("options", [EngineOptions(), OTHERS])
def test_every_option_survives_the_way_guis_read_it(options):
    for option, seen in zip(OPTIONS, announced(options), strict=True):
        assert seen["name"] == [option.name]
        assert seen["type"] == ["string" if option.type == "float" else option.type]
        assert seen["var"] == list(option.choices)
        (default,) = seen["default"] or [""]
        if option.type == "spin":
            (least,), (most,) = seen["min"], seen["max"]
            assert int(least) <= int(default) <= int(most)
        if option.type == "check":
            assert default in ("true", "false")
        if option.type == "combo":
            assert default in option.choices


def test_gui_that_sends_every_option_back_undoes_nothing():
    talk = Conversation()
    talk.session.options = OTHERS
    for option in announced(OTHERS):
        if option["type"] != ["button"]:
            talk.say(f"setoption name {option['name'][0]} value {' '.join(option['default'])}")
    assert talk.session.options == OTHERS
    assert not talk.infos()


def test_greeting_tells_what_was_set_since_the_start():
    talk = Conversation()
    talk.say("setoption name Hash value 77", "uci")
    assert talk.lines[0][:12] == "id name Aino"
    assert talk.lines[-1] == "uciok"
    assert talk.engine is None, "the engine is loaded at isready, not before"
    assert "option name Hash type spin default 77 min 1 max 65536" in talk.lines
    assert talk.session.options == replace(EngineOptions(), hash_mib=77)
