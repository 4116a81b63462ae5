"""Every tunable of the search: what options set for its kernels, and the constants of its parts.

Each comment gives the meaning, the unit and the source: a paper, Lc0's default, a command that
measured it, or "set by hand".
"""

from typing import NamedTuple

from engine.options import EngineOptions

_OPTIONS = EngineOptions()


class SearchParams(NamedTuple):
    """Settings of the search kernels, fixed for one search. By default they are those of self-play:
    without alpha-beta beside the tree and moves-left utility.
    """

    cpuct_init: float = _OPTIONS.cpuct_init  # Measured by games (docs/what-was-tried.md).
    cpuct_base: float = 38739.0  # Visits at which exploration begins to increase. Lc0.
    cpuct_factor: float = 3.894  # For each e-fold of (visits + base) / base. Lc0.
    fpu_reduction: float = _OPTIONS.fpu_reduction  # Lc0.
    policy_temperature: float = _OPTIONS.policy_temperature  # Lc0.
    # To the root's side to move. An integer would compile every kernel a second time.
    draw_score: float = 0.0
    moves_left_max_effect: float = 0.0  # Most that the length of the game changes Q.
    moves_left_threshold: float = 0.8  # How far Q must be from 0 for that. Lc0.
    moves_left_slope: float = 0.0027  # Change of Q for a ply of the game's length. Lc0.
    tactical_nodes: float = 0.0  # Positions that alpha-beta looks at for each visit.
    max_collisions: int = 512  # Collisions that end a round. Set by hand.
    mate_in_one: bool = True  # Look for a mating move when a leaf is reached.
    # Search the root for forced mates of up to this many moves first. 1 = not at all. Set by hand.
    mate_moves: int = 3
    decide_root: bool = True  # Let proofs reach the root and end the search. Lc0 does not.
    # Choose by value where visits allow it (`root.favourite`); else by visits.
    choose_by_value: bool = True
    needs_planes: bool = True  # Whether the evaluator reads the input planes.
    input_format: int = 1  # Lc0's number of the planes' format.
    # Whether a node gets its policy and edges at its second visit (`visits`).
    late_policy: bool = False
    transpositions: bool = True  # Whether a position has one node (`transpositions`).
    # Whether a visit passes by children that another thread is evaluating.
    avoid_busy: bool = False
    # Use what is known of endings with few pieces (`tactics.small_endings`).
    small_endings: bool = True
    # Whether an unvisited move falls with the sum of P itself, not its root (`puct`).
    fpu_linear: bool = False
    # Whether values in endings count in part (`tactics.small_endings.share_of_value`).
    fading_endings: bool = False
    # How much values of Q near 0 overrate the side to move (`backup.without_tempo`).
    tempo: float = 0.0
    butterfly: float = 0.0  # Weight of the butterfly history in the logits of moves (`butterfly`).
    # Share of the exploration that follows the standard deviation of a node's values.
    cpuct_deviation: float = 0.0


def params_of(options: EngineOptions) -> SearchParams:
    """Return a player's parameters, those that options name alike among them, but for what each
    search and its evaluator decide.
    """
    names = (SearchParams._field_defaults.keys() & vars(options).keys()) - {
        "draw_score",
        "cpuct_deviation",
    }
    chosen = {
        name: type(SearchParams._field_defaults[name])(getattr(options, name)) for name in names
    }
    return SearchParams(
        moves_left_max_effect=PLAYER_MOVES_LEFT_EFFECT,
        max_collisions=PLAYER_COLLISIONS,
        **chosen,
    )


LC0 = SearchParams(
    cpuct_init=1.745,
    cpuct_factor=0.0,
    mate_in_one=False,
    mate_moves=1,
    decide_root=False,
    choose_by_value=False,
    transpositions=False,
    small_endings=False,
)
"""With rounds of one leaf, what Lc0 does with a net that counts no moves: the preset `lc0`."""


# ---- the formulas (`puct`) -----------------------------------------------------------------------

# Most that the length of the game changes Q for a player. See docs/what-was-tried.md.
PLAYER_MOVES_LEFT_EFFECT = 0.0345
PLAYER_COLLISIONS = 32  # Collisions that end a player's round. Set by hand.
MOVES_LEFT_LINEAR = 1.6521  # Lc0's MovesLeftScaledFactor.
MOVES_LEFT_SQUARE = -0.6521  # Lc0's MovesLeftQuadraticFactor.
# Most that the plies left change Q, and for each of them, where the root is a win that `small_endings`
# knows: all its moves are worth nearly the same, and the way is told by plies. Set by hand: at 1,000
# nodes a move, six positions each, without the solution of the ending, all of KQ, KR, KBBN and KBNN
# against a king are won, of KBB half.
KNOWN_WIN_EFFECT = 0.8
KNOWN_WIN_SLOPE = 0.0133
# Standard deviation of values at which exploration is as usual. KataGo: 0.4.
TYPICAL_DEVIATION = 0.3
DEVIATION_VISITS = 2.0  # Visits that the typical deviation counts for. KataGo.
# Visits of an entry of the butterfly history after which its mean forgets. Set by hand.
BUTTERFLY_VISITS = 64
BUTTERFLY_DOUBT = 8.0  # Visits of an entry at which half of it counts. Set by hand.
BONUS_UNIT = 1.0 / 4096.0  # Step in which an edge keeps what the history added to its logit.
REFRESH_VISITS = 64  # Least visits of a node whose priors follow the history. Set by hand.
# The same as a share of the root's: some milliseconds for all. Set by hand.
REFRESH_SHARE = 1.0 / 4096.0
# Growth of the root's visits between two times that they do. Set by hand.
REFRESH_GROWTH = 1.5
REFRESH_FROM = 256  # Visits of the root at which they do for the first time. Set by hand.

# ---- the root (`root`, `search_tree_state`) ------------------------------------------------------

BOUND_WIDTH = 4.0  # A move's lower bound is Q - width / sqrt(N). See docs/what-was-tried.md.
# Visits of a move below which its visits are trusted more than its value. Set by hand.
BOUND_FROM = 1000
# A move with this share of the most visits may be the better one. Set by hand.
PROMISING_SHARE = 0.1
MATE_PRIOR = 0.75  # Prior of a root move that starts a forced mate. Set by hand.

# ---- rounds of leaves (`visit_loop`, `batches`) --------------------------------------------------

# Seconds of its thread's own time that a kernel runs before Python looks at clock and stop. A
# machine that has other work to do takes longer for them. Set by hand.
CALL_SECONDS = 0.003
LEFT_SHARE = 0.5  # Share of the time left that such a call may take. Set by hand.
# Most times that by which others are thought to take the processor: some systems count a thread's
# time in steps of 16 ms. Set by hand.
MOST_DELAY = 32.0
# Visits of the first call, whose speed is not known yet. Set by hand.
FIRST_CALL_VISITS = 16
# Leaves of the smallest round for a batched evaluator. Set by hand.
BATCHED_SMALLEST_ROUND = 4
# A round grows by one leaf for this many visits of the root. Set by hand.
BATCHED_VISITS_PER_LEAF = 16
VISITS_PER_VISIT = 32  # Visits of the root for each one under way. Set by hand.
# Share of a child's visits up to which an edge to it gets free ones. Set by hand.
CATCH_UP_SHARE = 0.5
FREE_VISITS = 4  # Most free visits of edges on one walk. Set by hand.
STINT_VISITS = 8  # Most visits of a stint (`visits`). Set by hand.
STINT_SHARE = 64  # Visits of a node for each of a stint that begins there. Set by hand.
# Looks at a leaf that another thread evaluates, then the visit is taken back. Set by hand.
COLLISION_LOOKS = 64
# Pauses, some ten nanoseconds each, before each of these looks. Set by hand.
LOOK_PAUSES = 8

# ---- questions to alpha-beta (`tactical_priors`) -------------------------------------------------

# Visits of a node that is asked about, and between two questions. Set by hand.
HINT_LEAST_VISITS = 256
# Most visits between two questions in trees below 524,288 visits. Set by hand.
HINT_LONGEST_WAIT = 2048
HINT_MARGIN_CP = 80  # Centipawns that a move has to win to be a hint. Set by hand.
HINT_PRIOR = 0.4  # Prior of a hinted move. Set by hand.
HINT_PLIES = 10  # Plies of a hinted line. Set by hand.
# Positions for each visit of an inner node, relative to the root's. Set by hand.
HINT_INNER_SHARE = 0.125
HINT_QUESTIONS = 16  # Most questions at a time. Set by hand.
HINT_POSITIONS = 8_000  # Most positions for one question. Set by hand.
# Most positions for all questions: 10 to 20 ms. Set by hand.
HINT_POSITIONS_TOGETHER = 16_000

# ---- the clock (`clock`, `time_use`, `search_loop`) ----------------------------------------------

# Moves for which a clock has to last at the begin of a game, where the GUI does not say; how many
# fewer for each move played; and the least. By what doubled visits gained at each move of games,
# and how many games lasted as long (docs/what-was-tried.md).
FIRST_MOVES = 46
FEWER_MOVES = 0.8
LEAST_MOVES = 16
# A move gets at least 1 / 60 of the clock: the increment refills it. Set by hand.
LONG_RUN_MOVES = 60
# Most multiple of the planned time, while the best move is in doubt. Set by hand.
HARD_FACTOR = 5.0
# Multiple of the planned time for the share of visits that other moves have (`doubt`).
DOUBT_SLOPE = 3.6
DOUBT_FLOOR = 0.225  # Least multiple. Set by hand.
# Most multiple while the most visited move has the best value. Set by hand.
DOUBT_CEILING = 2.25
# For each 1 that the value fell since the move before, this part more time, up to a multiple
# (`doubt`).
FALL_SLOPE = 8.0
FALL_CEILING = 3.0
CLOCK_SHARE = 0.4  # Largest share of the clock for one move. Set by hand.
# The same for the last move before the next time control. Set by hand.
LAST_MOVE_SHARE = 0.9
# How late a busy machine may be with a move: a clock keeps as much. Set by hand.
LATE_MS = 150.0
LATENESS_MEMORY = 0.7  # Share of a move's lateness that the next one expects. Set by hand.
MOST_LATE_SHARE = 0.25  # Largest share of the clock kept back for that. Set by hand.
INCREMENT_SHARE = 0.25  # Least share of an increment that a move gets. Set by hand.
SHORTEST_THINK_MS = 1.0  # Least time for a move in milliseconds. Set by hand.
# Least visits of a move whose clock is refilled, a tenth of a millisecond. Set by hand.
UNWATCHED_VISITS = 16
# Milliseconds between two looks at whether the move can still change. Set by hand.
CHECK_INTERVAL_MS = 4.0
# This share of the time so far is added: each look costs a tenth of a millisecond. Set by hand.
CHECK_SHARE = 0.05
# When lines are shown, in milliseconds. Set by hand, so that a GUI has something at once.
FIRST_INFOS_MS = (50.0, 100.0, 200.0, 500.0, 1000.0)  # Moments of the first sets of lines.
INFO_INTERVAL_MS = 1000.0  # Between two sets after those, as long as the best move stays.
LEAST_INFO_GAP_MS = 50.0  # Between any two sets.
LOOK_INTERVAL_MS = 20.0  # Between two looks at whether the best move is another one.

# ---- playing weaker (`levels`) -------------------------------------------------------------------

# Visits that the whole policy counts for: in the smallest trees it decides. Set by hand.
PRIOR_VISITS = 4.0
