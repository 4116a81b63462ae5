"""How far a reader walks who follows one `go` through the files (docs/design.md)."""

import io
import sys
import threading
from collections import Counter
from pathlib import Path

from engine.options import EngineOptions
from uci.protocol.session import Session
from uci.protocol.words import Writer

ROOT = Path(__file__).parents[2]
MOST_FILES, MOST_CALLS = 24, 300


def test_one_go_had_led_through_37_files_and_696_calls():
    """Once per root move a call had crossed report, root, convert and result."""
    searches: list[Counter[str]] = []

    def note(frame, event, argument):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith((str(ROOT / "engine"), str(ROOT / "uci"))):
            searches[-1][path.removeprefix(str(ROOT))] += 1

    session = Session(Writer(io.StringIO()), EngineOptions(hash_mib=16, threads=2))
    before = sys.getprofile(), threading.getprofile()
    for is_warm in (False, False, True, True, True):
        session.handle("ucinewgame")
        session.handle("position startpos moves e2e4 e7e5")
        if is_warm:
            searches.append(Counter())
            sys.setprofile(note)
            threading.setprofile(note)
        try:
            session.handle("go nodes 100")
            session._job.join()
        finally:
            sys.setprofile(before[0])
            threading.setprofile(before[1])
    session.handle("quit")
    session._close()
    calls = min(
        searches, key=Counter.total
    )  # on a busy machine a search looks at the clock more often
    assert calls["/engine/search/report.py"] > 5, "the search was seen"
    assert len(calls) <= MOST_FILES, dict(calls)
    assert calls.total() <= MOST_CALLS, calls
