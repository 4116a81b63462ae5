"""What an engine makes from its options, and which of them each part depends on."""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from engine import evaluation
from engine.errors import blaming
from engine.evaluation.protocol import Evaluator
from engine.evaluation.tablebase import Tablebase
from engine.options import EngineOptions

if TYPE_CHECKING:
    from engine.network.people.people_policy import PeoplePolicy
    from engine.search.book import PolyglotBook

EVALUATOR_FIELDS = ("evaluator", "weights_file", "threads", "hybrid_weight", "backend", "preset")
TABLE_FIELDS = ("syzygy_path", "syzygy_probe_limit", "syzygy_fifty_move_rule")
BOOK_FIELDS = ("own_book", "book_file")
# A change of one of these fields needs a new tree and runner. A weak engine, for example, has a
# small tree.
TREE_FIELDS = ("hash_mib", "limit_strength", "elo", "play_like", *EVALUATOR_FIELDS, *TABLE_FIELDS)


def make_evaluator_of(options: EngineOptions) -> Evaluator:
    """Return the evaluator that the options name."""
    return evaluation.make_evaluator(
        options.evaluator,
        options.weights_file,
        options.thread_count,
        options.hybrid_weight,
        options.backend,
        blend=options.preset != "lc0",
    )


def open_tables(options: EngineOptions) -> Tablebase:
    """Return the endgame tables of the options' folders."""
    return Tablebase(
        options.syzygy_path, options.syzygy_probe_limit, options.syzygy_fifty_move_rule
    )


def open_book(options: EngineOptions) -> PolyglotBook | None:
    """Return the opening book, if one is used."""
    if not (options.own_book and options.book_file):
        return None
    from engine.search.book import PolyglotBook

    with blaming("book_file"):
        return PolyglotBook(os.path.expanduser(options.book_file))


def open_people(options: EngineOptions) -> PeoplePolicy | None:
    """Return the network of people, if the engine plays like them."""
    if options.play_like != "people":
        return None
    from engine.network.people.people_policy import PeoplePolicy

    with blaming("play_like"):
        return PeoplePolicy.load()


def new_generator(options: EngineOptions) -> np.random.Generator:
    """Return the generator of random choices."""
    return np.random.default_rng(options.seed or None)


def differ(old: EngineOptions, new: EngineOptions, names: tuple[str, ...]) -> bool:
    """Whether two engines' options differ in some fields."""
    values = attrgetter(*names)
    return bool(values(old) != values(new))
