"""What a person is told of the training with puzzles."""

from uci.language import _, later, several
from uci.library.training import Standing


def standing_text(standing: Standing) -> str:
    """Return how one stands, in words."""
    points = standing.rating.points
    rating = f"{points:.0f} ± {2 * standing.rating.deviation:.0f}"
    text = later("Rating {rating}. In a row: {streak}; the most: {longest}.")
    sentence = _(text, rating=rating, streak=standing.streak, longest=standing.longest)
    if not standing.due:
        return sentence
    due = several(
        "{count} puzzle comes back today.", "{count} puzzles come back today.", standing.due
    )
    return f"{sentence} {due}"
