"""A tiny GPT over chess moves as text: it reads letters, not boards, and writes the rest of the
game.

A game is a line such as "e2e4 e7e5 g1f3 "; a token is a character. The model is a stack of blocks
(LayerNorm, causal self-attention, LayerNorm, two dense layers with GELU, each with a skip
connection; Radford et al. 2019) and learns to guess the next character. It is pretrained on all
games, then fine-tuned on those of one opening. Perplexity is exp(cross-entropy) a move, that is
over its five characters together: how many equally likely moves it hesitates among.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import nn
from engine.errors import DataError
from examples.nn.boards import read_games
from examples.nn.common import command_line, find_data, run_as_command, save_plot, show

ALPHABET = "\n abcdefgh12345678nqr"  # a line break starts a game; b promotes to a bishop, too
MOVE_LENGTH = 5  # characters of a move with its space, promotions aside
PLIES = 20
OPENING = ("e2e4", "c7c5")  # the Sicilian defence
HELD_OUT = 500  # games, of all and of the opening each
EMBEDDING_DEVIATION = 0.02  # of a residual stream's first vectors, as in GPT-2
TEMPERATURE = 0.7  # of the writing


class GptConfig(NamedTuple):
    """Sizes of the model."""

    width: int = 64
    blocks: int = 3
    heads: int = 4
    length: int = PLIES * MOVE_LENGTH


class Stage(NamedTuple):
    """What a model can after a part of its training."""

    perplexities: dict[str, float]  # a move of held-out games: "all", "opening"
    games: list[str]  # that it wrote


class Result(NamedTuple):
    """The model after both parts of its training."""

    stages: dict[str, Stage]  # "pretrained", "fine-tuned"
    histories: dict[str, nn.History]


def build(config: GptConfig, rng: np.random.Generator) -> nn.Sequential:
    """tokens int [B, T] -> logits [B, T, characters]."""
    parts: dict[str, nn.Layer] = {
        "tokens": nn.Embedding(len(ALPHABET), config.width, rng, EMBEDDING_DEVIATION),
        "places": nn.PositionEmbedding(config.length, config.width, rng, EMBEDDING_DEVIATION),
    }
    for number in range(config.blocks):
        attention = nn.SelfAttention(config.width, config.heads, rng, causal=True)
        parts[f"attend{number}"] = _skip(norm=nn.LayerNorm(config.width), attention=attention)
        parts[f"think{number}"] = _skip(
            norm=nn.LayerNorm(config.width),
            dense1=nn.Dense(config.width, 4 * config.width, rng),
            gelu=nn.Activation("gelu"),
            dense2=nn.Dense(4 * config.width, config.width, rng, "glorot"),
        )
    return nn.Sequential(
        **parts,
        norm=nn.LayerNorm(config.width),
        head=nn.Dense(config.width, len(ALPHABET), rng, "glorot"),
    )


def _skip(**layers: nn.Layer) -> nn.Residual:
    return nn.Residual(nn.Sequential(**layers), activation="identity")


# ---- text ----------------------------------------------------------------------------------------


def encode(text: str) -> np.ndarray:
    """Characters as numbers. Raises DataError for one that is not in a game."""
    strange = set(text) - set(ALPHABET)
    if strange:
        raise DataError(f"expected moves in UCI notation, found {sorted(strange)} in {text[:40]!r}")
    return np.array([ALPHABET.index(character) for character in text])


def as_data(games: Sequence[Sequence[str]], length: int) -> nn.Data:
    """Games as inputs and targets int [N, length]: every character is to be guessed from those
    before it.
    """
    tokens = np.stack([encode("\n" + " ".join(game) + " ")[: length + 1] for game in games])
    return nn.Data(tokens[:, :-1], tokens[:, 1:])


def select_games(
    path: Path, count: int, length: int, opening: Sequence[str]
) -> tuple[list[list[str]], list[list[str]]]:
    """(`count` games, and those of the opening among twice as many more), long enough to fill
    `length`.
    """
    shortest = length // MOVE_LENGTH + 1
    games = read_games(path, shortest)
    first = list(itertools.islice(games, count))
    further = itertools.islice(games, 2 * count)
    return first, [game for game in further if game[: len(opening)] == list(opening)]


# ---- training ------------------------------------------------------------------------------------


def train(
    model: nn.Layer, data: nn.Data, epochs: int, rate: float, seed: int, held_out: nn.Data
) -> nn.History:
    """Train the model on these games."""
    settings = nn.TrainerSettings(batch_size=32, seed=seed, clip_norm=1.0, shard_size=16, threads=2)
    steps = epochs * -(-len(data.inputs) // settings.batch_size)
    schedule = nn.WarmupCosine(rate, steps, steps // 20)
    optimizer = nn.AdamW(weight_decay=0.05)
    trainer = nn.Trainer(model, nn.softmax_cross_entropy, optimizer, schedule, settings)
    return trainer.fit(data, epochs, held_out, callbacks=[show])


def perplexity(model: nn.Layer, data: nn.Data, skipped_plies: int) -> float:
    """exp(mean cross-entropy a move), over the moves after the first `skipped_plies`."""
    total = 0.0
    characters = 0
    first = skipped_plies * MOVE_LENGTH
    for start in range(0, len(data.inputs), 64):
        targets = data.targets[start : start + 64, first:]
        logits = model(data.inputs[start : start + 64])
        loss, _ = nn.softmax_cross_entropy(logits[:, first:], targets, reduction="sum")
        total += loss
        characters += targets.size
    return math.exp(MOVE_LENGTH * total / characters)


def sample(model: nn.Layer, rng: np.random.Generator, length: int) -> str:
    """Return the moves of a game written by the model, character by character."""
    text = "\n"
    state = dict[str, Any]()
    while len(text) < length:
        logits = model(encode(text[-1])[None], state=state)  # the state knows what was read before
        scaled = logits[0, -1].astype(np.float64) / TEMPERATURE
        weights = np.exp(scaled - scaled.max())
        text += ALPHABET[rng.choice(len(ALPHABET), p=weights / weights.sum())]
    return text[1:].rpartition(" ")[0]


def run(
    games: Sequence[Sequence[str]],
    opening_games: Sequence[Sequence[str]],
    epochs: int,
    fine_tuning_epochs: int,
    seed: int = 0,
    config: GptConfig | None = None,
    opening: Sequence[str] = OPENING,
    held_out: int = HELD_OUT,
) -> Result:
    """Pretrain on the games, fine-tune on those of the opening, measure before and after."""
    config = config or GptConfig()
    rng = np.random.default_rng(seed)
    model = build(config, rng)
    everything, tests = _split(as_data(games, config.length), held_out)
    special, special_tests = _split(as_data(opening_games, config.length), held_out)

    def stage() -> Stage:
        skipped_plies = len(opening)
        perplexities = {
            "all": perplexity(model, tests, skipped_plies),
            "opening": perplexity(model, special_tests, skipped_plies),
        }
        return Stage(perplexities, [sample(model, rng, config.length) for _ in range(3)])

    histories = {"all": train(model, everything, epochs, 3e-3, seed, tests)}
    stages = {"pretrained": stage()}
    histories["opening"] = train(model, special, fine_tuning_epochs, 5e-4, seed, special_tests)
    stages["fine-tuned"] = stage()
    return Result(stages, histories)


def _split(data: nn.Data, held_out: int) -> tuple[nn.Data, nn.Data]:
    return (
        nn.Data(data.inputs[:-held_out], data.targets[:-held_out]),
        nn.Data(data.inputs[-held_out:], data.targets[-held_out:]),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_line(__doc__)
    parser.add_argument(
        "--games", type=Path, metavar="FILE", help="read tab-separated games with a column 'uci'"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=20_000,
        help="pretrain on this many games (default %(default)s)",
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--opening", nargs="+", default=list(OPENING), metavar="MOVE", help="start with these moves"
    )
    options = parser.parse_args(arguments)
    path = find_data(options.games, "games/human.tsv.xz")
    games, opening_games = select_games(path, options.count, GptConfig().length, options.opening)
    opening_games = opening_games[: HELD_OUT + options.count // 4]
    print(f"{len(games)} games, {len(opening_games)} that start with {' '.join(options.opening)}")
    result = run(games, opening_games, options.epochs, 2, options.seed, opening=options.opening)
    print("\nperplexity a move, after the opening's     all games   the opening")
    for name, stage in result.stages.items():
        everywhere, opening = stage.perplexities.values()
        print(f"{name:40} {everywhere:10.2f} {opening:13.2f}")
    for name, stage in result.stages.items():
        print(f"\nwritten, {name}:", *stage.games, sep="\n  ")
    save_plot(options.plot, lambda axes: _draw(axes, result))


def _draw(axes: Any, result: Result) -> None:
    places = np.arange(2)
    for shift, (name, stage) in enumerate(result.stages.items()):
        heights = [*stage.perplexities.values()]
        axes.bar(places + 0.4 * shift, heights, 0.4, label=name)
    axes.set_xticks(places + 0.2, ["all games", "the opening"])
    axes.set_ylabel("perplexity a move")
    axes.legend()


if __name__ == "__main__":
    run_as_command(main)
