"""How hard a move is for people: of 100 players around a rating, how many play it.

The network of people tells it (`engine.network.people`). Its ratings are those of Lichess, as far
as games tell: of 1,500 club games of five sources, it predicts each band of players best with a
rating within 150 of the players' own.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import chess

from uci.annotate.accuracy import within
from uci.common.players import level_in
from uci.language import _, later

Predict = Callable[[chess.Board, int], Mapping[chess.Move, float]]
UNRATED = 1500  # the rating of players whom nothing tells of
RATINGS = (1100, 1900)  # that the network knows; players beyond are predicted as those at this end
_STEP = 100  # a rating is told as a multiple of it
_SANE = range(100, 3600)  # ratings of people and engines
EASY_TO_MISS = 0.2
WITHIN_REACH = 0.6  # what more of them find teaches little

# In a tag, which may hold more digits than Python reads.
_NUMBER = re.compile(r"(?<!\d)\d{1,9}(?!\d)")


class PeopleShares(NamedTuple):
    """Of players around a rating, the shares, 0..1, who play a move and who find the better one, or
    another one about as good.
    """

    rating: int
    play: float
    find: float
    own_rating: int = 0  # the player's, where the network does not know it; 0 where it does

    @property
    def players(self) -> str:
        """Around which rating the players are, in words."""
        if not self.own_rating:
            return str(self.rating)
        text = later("{rating} (the nearest to {own} that is known)")
        return _(text, rating=self.rating, own=self.own_rating)


def rating_of(headers: Mapping[str, str], side: chess.Color) -> int:
    """Return the rating around which a side's player is, a multiple of 100.

    It is that of the player's tag, else the level of Aino whom one chose to play against. Sites
    write `?`, `-` or `0` for no rating, and `1500P` or `1850?` for one that may change.
    """
    texts = [headers.get(f"{chess.COLOR_NAMES[side].title()}Elo", "")]
    for name in ("White", "Black"):
        level = level_in(headers.get(name, "")) or ""
        if level.startswith(("elo ", "people ")):
            texts.append(level)
    for rating in map(int, _NUMBER.findall(" ".join(texts))):
        if rating in _SANE:
            return round(rating / _STEP) * _STEP
    return UNRATED


def nearest_known(rating: int) -> int:
    """Return the nearest rating that the network knows."""
    return round(within(rating, RATINGS))


def people_network() -> Predict:
    """Return what tells how likely players of a rating make each legal move, with scratch of its
    own. Raises NetFileError.
    """
    from engine.network.people.people_policy import PeoplePolicy

    return PeoplePolicy.load().probabilities
