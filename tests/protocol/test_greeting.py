"""The answer to `uci`, read as the GUIs read it, and sent back as they send it back.

Cute Chess splits the whole line at the six keywords, wherever they stand; Polyglot (through which
xboard speaks UCI) reads a keyword, then all words up to the next one. Both mangle an option whose
name or value holds a keyword as a word.
"""

import itertools
from dataclasses import dataclass, field, replace

import pytest

from engine.options import OPTIONS, EngineOptions
from tests.protocol.fake_engine import Conversation

KEYWORDS = ("name", "type", "default", "min", "max", "var")
KINDS = ("button", "check", "combo", "spin", "string")

# Another value than the built-in one for every option that GUIs send back, as a file or flags may
# set it.
OTHERS = EngineOptions(
    hash_mib=64, threads=3, move_overhead_ms=7, multi_pv=4, weights_file="my nets/second best.dit",
    evaluator="hybrid", backend="numpy", hybrid_weight=0.25, cpuct_init=2.5, fpu_reduction=0.25, preset="lc0",
    draw_score=-20, contempt=15, seed=9, syzygy_path="/tables/three four:/tables/five", syzygy_fifty_move_rule=False,
    own_book=True, book_file="/books/my lines.bin", verbose_move_stats=True,
)  # fmt: skip


@dataclass
class Announced:
    """An option as a GUI has understood it."""

    name: str = ""
    type: str = ""
    default: str = ""
    min: str = ""
    max: str = ""
    var: list[str] = field(default_factory=list)

    def take(self, keyword, text):
        """Notes what stands behind a keyword, which comes once."""
        assert keyword == "var" or not getattr(self, keyword), f"{keyword} comes twice"
        if keyword == "var":
            self.var.append(text)
        else:
            setattr(self, keyword, text)


def read(line):
    """Split at keywords; a keyword with nothing behind it is passed over."""
    found = Announced()
    keyword = ""
    for is_keyword, group in itertools.groupby(line.split()[1:], key=KEYWORDS.__contains__):
        words = list(group)
        if is_keyword:
            keyword = words[-1]
        elif keyword:
            found.take(keyword, " ".join(words))
    return found


def is_usable(option):
    """What Cute Chess asks of an option before it shows it."""
    if option.type == "spin":
        return int(option.min) <= int(option.default) <= int(option.max)
    if option.type == "check":
        return option.default in ("true", "false")
    if option.type == "combo":
        return option.default in option.var
    return bool(option.name) and option.type in KINDS


def announced(options):
    """The options of a greeting by name, as a GUI reads them."""
    talk = Conversation()
    talk.session.options = options
    talk.say("uci")
    return {option.name: option for option in map(read, talk.answers("option"))}


@pytest.mark.parametrize("options", [EngineOptions(), OTHERS])
def test_every_option_survives_the_way_guis_read_it(options):
    found = announced(options)
    assert list(found) == [option.name for option in OPTIONS]
    for option in OPTIONS:
        seen = found[option.name]
        assert is_usable(seen), seen
        assert seen.var == list(option.choices)
        assert seen.type == ("string" if option.type == "float" else option.type)


def test_gui_that_sends_every_option_back_undoes_nothing():
    talk = Conversation()
    talk.session.options = OTHERS
    for option in announced(OTHERS).values():
        if option.type != "button":
            talk.say(f"setoption name {option.name} value {option.default}")
    assert talk.session.options == OTHERS
    assert talk.infos() == []


def test_greeting_tells_what_was_set_since_the_start():
    talk = Conversation()
    talk.say("setoption name Hash value 77", "uci")
    assert (talk.lines[0][:12], talk.lines[-1]) == ("id name Aino", "uciok")
    assert talk.engine is None, "the engine is loaded at isready, not before"
    assert "option name Hash type spin default 77 min 1 max 65536" in talk.lines
    assert talk.session.options == replace(EngineOptions(), hash_mib=77)
