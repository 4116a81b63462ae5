"""The project's typed errors. Every failure that a caller may want to catch is one of these.

AinoError
├── ConfigError (ValueError)    a setting or argument out of its range
├── ShapeError (ValueError)     an array of the wrong shape or dtype
├── FenError (ValueError)       a position that cannot be read or played
├── MoveError (ValueError)      a move that is illegal or unreadable
├── NetFileError                a net file that is missing, damaged or of another kind
├── EvaluatorError              an evaluator of somebody's that fails, or answers what cannot be used
├── DeviceError                 a GPU that cannot compute, runs out of memory or gets lost
├── TrainingError               training that cannot continue, such as a loss that is not a number
├── RunError                    a training run folder that cannot be used
├── StillCompilingError         a search stopped while it waited for its kernels
├── CompilerError               kernels that no process can compile
└── DataError                   input data that does not have the documented form
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class TemplateMessage(str):
    """An English sentence that was made of a `template` with `values` for its {names}.

    Who shows it can say it in another language. `str` of an error that has such a message gives it
    back as it is.
    """

    template: str
    values: dict[str, object]

    def __str__(self) -> str:
        return self


def message(template: str, **values: object) -> TemplateMessage:
    """Return a sentence that keeps its words and its values apart; values may be such sentences."""
    sentence = TemplateMessage(template.format(**values))
    sentence.template = template
    sentence.values = values
    return sentence


class AinoError(Exception):
    """Base class of all errors raised on purpose by this project.

    Attributes:
        option: the field of EngineOptions whose value caused the error, or "" if no option did. `blaming` sets it. A
            caller that would rather play than fail can continue with another value for this option.
    """

    option = ""


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """Set `option` in errors raised inside the block, unless they already name one."""
    try:
        yield
    except AinoError as error:
        error.option = error.option or option
        raise


class ConfigError(AinoError, ValueError):
    """A setting, option or argument is unknown or out of its range."""


class ShapeError(AinoError, ValueError):
    """An array has the wrong shape or dtype; the message names the expected and the actual one.

    Attributes: layer: the dotted path of the layer that refused it, part of the message; "" outside
        a network.
    """

    layer = ""

    def __str__(self) -> str:
        message = super().__str__()
        if self.layer:
            return f"{self.layer}: {message}"
        return message


class FenError(AinoError, ValueError):
    """A position cannot be read from its text, or cannot be played.

    Attributes: field: the bad field: "placement", "side", "castling", "en passant", "halfmove" or
        "fullmove"; "" for none.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class MoveError(AinoError, ValueError):
    """A move is unreadable, ambiguous or illegal in its position."""


def nearest_words(vocabulary: Iterable[str], *words: str) -> list[str]:
    """Return for each misspelt word that of the vocabulary that was probably meant, if one is near."""
    from difflib import get_close_matches  # on demand: `uci` is answered without it

    by_lower = {name.lower(): name for name in vocabulary}
    nearest = []
    for word in words:
        for near in get_close_matches(word.lower(), by_lower, 1):
            nearest.append(by_lower[near])
    return nearest


def did_you_mean(vocabulary: Iterable[str], *words: str) -> str:
    """Return what an error message adds for misspelt words: `; did you mean 'play'?`, or "" if none
    is near.
    """
    guesses = nearest_words(vocabulary, *words)
    if not guesses:
        return ""
    return f"; did you mean {', '.join(map(repr, guesses))}?"


def why_unreadable(error: OSError) -> str:
    """Return what to say behind the name of a file that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return "file not found"
    return f"cannot be read: {error.strerror or error}"


# First bytes of files that hold other files, and of others that lie under a network's name.
ARCHIVES = {b"PK\3\4": "zip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_FOREIGN = {
    b"<": "a web page; download the file itself",
    b"version https://git": "a pointer of Git LFS; `git lfs pull` gets the file itself",
    b"\x89DIT\r\n": "a .dit file, packed or under another name",
    **dict.fromkeys((b"\x1f\x8b", *ARCHIVES), "a packed file; unpack it first"),
}


class NetFileError(AinoError):
    """A net file is missing, damaged or does not fit.

    Attributes:
        path: the file that failed.
        expected: what a valid file would contain.
        found: what this file contains.

    `message` replaces the usual one, which is made of these.
    """

    def __init__(self, path: str | Path, expected: str, found: str, message: str = "") -> None:
        super().__init__(message or f"{path}: expected {expected}, found {found}")
        self.path = Path(path)
        self.expected = expected
        self.found = found

    @classmethod
    def unreadable(cls, path: str | Path, error: OSError) -> NetFileError:
        """Describe a file that the system does not let us read."""
        reason = error.strerror or str(error)
        return cls(path, "a readable net file", reason, f"{path}: {why_unreadable(error)}")

    @classmethod
    def foreign(cls, path: str | Path, expected: str, begin: bytes) -> NetFileError:
        """Describe a file of another kind altogether by its first bytes, at least 20 of them."""
        message = f"{path} is not a net file (.dit, .pb, .pb.gz)"
        if not begin:
            message += ": the file is empty"
        for start, kind in _FOREIGN.items():
            if begin.lstrip().startswith(start):
                message += f": {kind}"
        return cls(path, f"{expected} first", repr(begin[:20]), message)

    def __reduce__(self) -> tuple[type[NetFileError], tuple[str, str, str, str]]:
        # Exceptions pickle their `args`, but here these hold only the composed message.
        return type(self), (str(self.path), self.expected, self.found, str(self))


class EvaluatorError(AinoError):
    """Somebody's evaluator fails, does not answer, or answers what cannot be used."""


class DeviceError(AinoError):
    """A GPU cannot be used: a library is missing, a result is wrong, its memory is full, or it does
    not answer.
    """

    option = "backend"


class TrainingError(AinoError):
    """Training cannot continue: a loss or a gradient is not a finite number."""


class RunError(AinoError):
    """A training run folder is missing, damaged, in use or of another configuration."""


class StillCompilingError(AinoError):
    """A search was stopped before it could begin, because its kernels are still being compiled."""


class CompilerError(AinoError):
    """The process that compiles kernels dies; a search that compiled them itself would die in the
    same way.
    """


class DataError(AinoError):
    """Input data (games, labels, positions) does not have the documented form."""
