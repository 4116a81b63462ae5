"""Title, players and the other PGN tags of a board on which nobody plays against Aino."""

from collections.abc import Mapping

from engine.board.pgn.annotations import game_name, is_told
from uci.annotate.material import Moves
from uci.game.ends import UNFINISHED
from uci.game.game_file import ListedGame, SavedGame
from uci.game.timed_game import Setup

_ANALYSIS = "Analysis"  # the title of one that the person gave none
_UNKNOWN_PLAYER = "?"


def is_chapter(tags: Mapping[str, str]) -> bool:
    """Whether a game is a chapter of a study, as Lichess writes them, or nobody's."""
    is_study = "ChapterName" in tags or "/study/" in tags.get("Site", "")
    return is_study or not any(is_told(tags.get(name, "")) for name in ("White", "Black"))


class AnalysisTags:
    """The tags with which a game was opened, or what the person calls the analysis.

    Players and a result belong to the moves that were played: with another main line, only the
    event tells of them. Tags that the person gave, or may have given in an earlier program, are
    told as they are.
    """

    def __init__(self, setup: Setup, today: str, main_line: Moves) -> None:
        self._tags = dict(setup.headers)
        self._today = today
        self._is_in_file = isinstance(setup.origin, ListedGame)
        self._opened_line = [*main_line]
        self._is_told_as_named = isinstance(setup.origin, SavedGame)
        self.is_renamed = False  # whether the person gave a name here

    def name(self, title: str, white: str, black: str) -> None:
        """Give the analysis a title and the names of its players, "" for none."""
        self._tags[self._title_tag] = title.strip() or _ANALYSIS
        self._tags["White"] = white.strip() or _UNKNOWN_PLAYER
        self._tags["Black"] = black.strip() or _UNKNOWN_PLAYER
        if not self._is_in_file:
            self._tags.setdefault("Date", self._today)
        self._is_told_as_named = True
        self.is_renamed = True

    @property
    def _title_tag(self) -> str:
        return "ChapterName" if "ChapterName" in self._tags else "Event"

    @property
    def title(self) -> str:
        """What a game or a chapter is called, "" where nothing tells it."""
        return self[self._title_tag]

    def __getitem__(self, tag: str) -> str:
        return self._tags.get(tag, "")

    def of(self, main_line: Moves) -> dict[str, str]:
        """Return the tags of a record with this main line."""
        tags = self._tags
        if not tags:
            return {"Event": _ANALYSIS, "Date": self._today}
        has_players = is_told(self["White"]) or is_told(self["Black"])
        if self._is_told_as_named or not has_players or [*main_line] == self._opened_line:
            return dict(tags)
        original = " ".join(filter(is_told, (game_name(tags), self["Date"])))
        start: dict[str, str] = {
            name: tags[name] for name in ("SetUp", "FEN", "Variant") if name in tags
        }
        return {
            "Event": f"Analysis of {original}",
            "Date": self._today,
            "Site": "-",
            "Round": "-",
            "White": _UNKNOWN_PLAYER,
            "Black": _UNKNOWN_PLAYER,
            "Result": UNFINISHED.result,
            **start,
        }
