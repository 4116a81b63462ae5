"""The time of day may jump, as it does when a machine asks a time server: nothing that is timed may
notice.
"""

import re

from tests.unit.test_imports import MODULES

TIME_OF_DAY = re.compile(r"\btime\.(time|localtime|ctime)\b|^from time import", re.MULTILINE)
# These tell how old files and answers are, and when something happened.
DATED = {
    "engine.native.jit",
    "selfplay.run.ledger",
    "uci.library.folder_reader",
    "uci.library.training",
}


def test_only_what_is_dated_asks_for_the_time_of_day():
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    assert {name for name, text in texts.items() if TIME_OF_DAY.search(text)} == DATED
