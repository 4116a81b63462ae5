"""Film reviews by TF-IDF: is a review positive? Shallow [5000-64-1] against deep [5000-512-128-1].

    python -m examples.nn.sentiment --reviews FILE

FILE is a CSV with columns label (0, 1) and text, which may be packed (.xz). A review becomes 5,000
numbers, one for each word or pair of words w: (1 + log count) (1 + log((1 + N) / (1 + number of
reviews with w))), scaled to length 1. Words that few reviews share weigh more (Spaerck Jones 1972).
The 5,000 are those that tell the two kinds of reviews apart best, by the chi-squared statistic over
the reviews to train on (Yang and Pedersen 1997).
"""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import nn
from engine.errors import DataError
from examples.nn.common import command_line, find_data, open_text, run_as_command, show

TERMS = 5000
RAREST = 5  # a term must occur in at least this many texts
NETS = {"shallow": (64,), "deep": (512, 128)}
EPOCHS = {"shallow": 6, "deep": 2}  # the deep net soon knows the reviews by heart
WORD = re.compile(r"[a-z][a-z']+")


class SparseRows:
    """Rows of mostly zeros, float32 [N, columns]; those asked for come back as a full array."""

    def __init__(self, rows: Sequence[tuple[np.ndarray, np.ndarray]], columns: int) -> None:
        self.rows = rows  # (numbers of columns, values) of each row
        self.shape = (len(rows), columns)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: Any) -> np.ndarray:
        numbers = np.arange(len(self.rows))[places]
        full = np.zeros((len(numbers), self.shape[1]), np.float32)
        for target, number in zip(full, numbers, strict=True):
            columns, values = self.rows[number]
            target[columns] = values
        return full


class Vocabulary:
    """The most telling words and pairs of words of some texts with labels, with their inverse
    document frequencies.
    """

    def __init__(self, texts: Sequence[str], labels: np.ndarray, terms: int = TERMS) -> None:
        # The number of texts with a term, of each label.
        negative, positive = Counter[str](), Counter[str]()
        for text, label in zip(texts, labels, strict=True):
            (negative, positive)[int(label)].update(set(terms_of(text)))
        frequent = sorted(term for term, count in (negative + positive).items() if count >= RAREST)
        counts = np.array([(negative[term], positive[term]) for term in frequent]).reshape(-1, 2)
        best = np.argsort(-_chi_squared(counts, labels), kind="stable")[:terms]
        self.columns = {frequent[number]: column for column, number in enumerate(best)}
        self.weights = 1 + np.log((1 + len(texts)) / (1 + counts[best].sum(axis=1)))

    def rows(self, texts: Iterable[str]) -> SparseRows:
        """TF-IDF of every text, each of length 1 (or 0 for a text without a known word)."""
        return SparseRows([self._row(text) for text in texts], len(self.columns))

    def _row(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        counts = Counter(self.columns[term] for term in terms_of(text) if term in self.columns)
        columns = np.array([*counts], np.int64)
        frequencies = np.array([*counts.values()], float)
        values = (1 + np.log(frequencies)) * self.weights[columns]
        return columns, (values / (np.linalg.norm(values) or 1)).astype(np.float32)


def _chi_squared(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Per text, the chi-squared statistic of terms: counts int [W, 2] of texts of each label that
    have the term.
    """
    texts = np.array([(labels == 0).sum(), (labels == 1).sum()])
    shares, overall = counts / texts, counts.sum(axis=1) / texts.sum()
    return (shares[:, 0] - shares[:, 1]) ** 2 / (overall * (1 - overall) + 1e-12)


def terms_of(text: str) -> list[str]:
    """Return the words of a text and its pairs of neighbouring words."""
    words = WORD.findall(text.lower().replace("<br />", " "))
    return words + [f"{first} {second}" for first, second in itertools.pairwise(words)]


def read_reviews(path: Path) -> tuple[list[str], np.ndarray]:
    """(texts, labels 0 or 1) of a CSV file; labels may also be "negative" and "positive". Raises
    DataError.
    """
    words = {"0": 0, "1": 1, "negative": 0, "positive": 1, "neg": 0, "pos": 1}
    with open_text(path) as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        text = next((name for name in ("text", "review") if name in names), None)
        label = next((name for name in ("label", "sentiment") if name in names), None)
        if text is None or label is None:
            raise DataError(
                f"{path}: expected columns label and text (or sentiment and review), found {names}"
            )
        rows = list(reader)
    unknown = {row[label] for row in rows} - words.keys()
    if unknown or not rows:
        raise DataError(
            f"{path}: expected labels 0 and 1, found {sorted(map(str, unknown))[:3] or 'no reviews'}"
        )
    return [row[text] for row in rows], np.array([words[row[label]] for row in rows])


def build(hidden: Sequence[int], inputs: int, rng: np.random.Generator) -> nn.Sequential:
    """Dense layers with ReLU and dropout, and one logit."""
    parts: dict[str, nn.Layer] = {}
    for number, outputs in enumerate(hidden):
        parts[f"dense{number}"] = nn.Dense(inputs, outputs, rng)
        parts |= {f"relu{number}": nn.Activation("relu"), f"drop{number}": nn.Dropout(0.5, rng)}
        inputs = outputs
    return nn.Sequential(**parts, logit=nn.Dense(inputs, 1, rng, "glorot"))


class Result(NamedTuple):
    """Histories of the nets; the share of held-out reviews that they judge correctly."""

    histories: dict[str, nn.History]

    def accuracy(self, name: str) -> float:
        """After the last epoch."""
        return self.histories[name]["validation_accuracy"][-1]


def run(
    texts: Sequence[str], labels: np.ndarray, seed: int = 0, epochs: Mapping[str, int] = EPOCHS
) -> Result:
    """Train both nets on four fifths of the reviews; the rest, in whose words nothing was chosen,
    is held out.
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    cut = len(texts) - len(texts) // 5
    train_texts, held_out_texts = ([texts[i] for i in part] for part in (order[:cut], order[cut:]))
    vocabulary = Vocabulary(train_texts, labels[order[:cut]])
    targets = labels[order].astype(np.float32)[:, None]
    train = nn.Data(vocabulary.rows(train_texts), targets[:cut])
    held_out = nn.Data(vocabulary.rows(held_out_texts), targets[cut:])
    histories = {}
    for name, hidden in NETS.items():
        model = build(hidden, len(vocabulary.columns), np.random.default_rng(seed))
        settings = nn.TrainerSettings(batch_size=64, seed=seed, shard_size=32, threads=2)
        schedule = nn.WarmupCosine(1e-3, epochs[name] * -(-cut // settings.batch_size), 20)
        optimizer = nn.AdamW(weight_decay=0.05)
        trainer = nn.Trainer(
            model,
            nn.sigmoid_binary_cross_entropy,
            optimizer,
            schedule,
            settings,
            {"accuracy": nn.accuracy},
        )
        print(f"{name} [{'-'.join(map(str, (len(vocabulary.columns), *hidden, 1)))}]")
        histories[name] = trainer.fit(train, epochs[name], held_out, callbacks=[show])
    return Result(histories)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_line(__doc__)
    parser.add_argument(
        "--reviews", type=Path, metavar="FILE", help="read a CSV file with columns label and text"
    )
    options = parser.parse_args(arguments)
    texts, labels = read_reviews(find_data(options.reviews, "reviews/reviews.csv.xz"))
    result = run(texts, labels, options.seed)
    print(f"\n{len(texts)} reviews, a fifth held out")
    for name in NETS:
        print(f"{name:8} {result.accuracy(name):.2%} right")
    if options.plot:
        result.histories["deep"].plot(options.plot, "deep")


if __name__ == "__main__":
    run_as_command(main)
