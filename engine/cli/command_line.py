"""Code that `aino` and `aino-train` share: running subcommands, formatting help, and ending with an
exit status.
"""

import argparse
import importlib
import io
import itertools
import os
import re
import signal
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from engine.errors import AinoError, did_you_mean
from engine.files.output_files import check_output, output_file

FAILED = 1  # Exit status after an error reported on stderr.
USAGE = 2  # Exit status after a command line that cannot be understood.
INTERRUPTED = 130  # Exit status of an interrupted command, as in shells.
_HELP_COLUMN = 26  # Of a flag's help; most flags fit before it.


def run_subcommand(
    program: str, name: str, description: str, module_name: str, words: Sequence[str]
) -> int:
    """Run `program name words` and return the exit status. The project's own errors print one line
    on stderr, and so does what the system refuses, such as writing to a full disk. Ctrl-C prints
    nothing, even during imports.

    The module has `add_arguments(parser)` and `run(arguments) -> exit status`. It may have
    EXAMPLES, which end its help, and `parse(parser, words)`, for command lines that argparse alone
    would misread.
    """
    silence_false_warnings()
    prepare_streams()
    try:
        module = importlib.import_module(module_name)
        parser = make_parser(program, name, description, module, is_brief="--help-all" not in words)
        parse = getattr(module, "parse", argparse.ArgumentParser.parse_args)
        status = int(module.run(parse(parser, words)))
    except AinoError as error:
        print(f"{program} {name}: {error}", file=sys.stderr)
        status = FAILED
    except BrokenPipeError:  # For example, `aino perft 6 | head`.
        status = 0
    except OSError as error:
        if error.errno is None:  # Python's own, such as a TimeoutError: a fault of the program
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(f"{program} {name}: {place}{error.strerror}", file=sys.stderr)
        status = FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    flush_stdout()
    return status


def prepare_streams() -> None:
    """Let characters that a stream's encoding lacks be "?", and open the null device for standard
    streams that are closed, as for services, or on Windows without a console.

    Python has None in their place, and the next files to be opened would get their numbers.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        elif stream is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def silence_false_warnings() -> None:
    """Silence NumPy's warnings of matrix products: on Apple's M4 and later they are false (numpy
    issue 28687).

    Where numbers may really overflow, Aino looks at the results.
    """
    warnings.filterwarnings("ignore", ".* encountered in matmul", RuntimeWarning)


def make_parser(
    program: str, name: str, description: str, module: ModuleType, is_brief: bool = False
) -> argparse.ArgumentParser:
    """Return the parser of one subcommand. A brief one's help leaves out most engine options:
    `--help-all` has them.
    """
    parser = CommandParser(
        prog=f"{program} {name}",
        description=description,
        epilog=getattr(module, "EXAMPLES", None),
        formatter_class=HelpFormatter,
    )
    parser.is_brief = is_brief
    module.add_arguments(parser)
    return parser


class CommandParser(argparse.ArgumentParser):
    """Accepts `--help-all`, refuses outputs or makes room for them, and guesses which flag a
    mistyped one was to be.

    That may be the flag of a table: `--games.visits` for `--visits`.
    """

    is_brief = False

    def __init__(self, *words: Any, **keywords: Any) -> None:
        super().__init__(*words, **keywords)
        self.register("type", Path, output_file)
        # `hide_seldom` shows it in the help of commands for which it is not just another `--help`.
        self.add_argument("--help-all", action="help", help=argparse.SUPPRESS)

    def parse_known_args(self, *words: Any, **keywords: Any) -> Any:
        arguments, rest = super().parse_known_args(*words, **keywords)
        for action in self._actions:
            path = getattr(arguments, action.dest, None)
            if path and action.type is output_file:
                inputs = {**vars(arguments), action.dest: None, "load": None}
                check_output(path, inputs.values(), Path(str(action.metavar)).suffix)
                path.parent.mkdir(parents=True, exist_ok=True)  # before the command works for hours
        return arguments, rest

    def error(self, message: str) -> NoReturn:
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        meant = list[str]()
        for word in message.partition("unrecognized arguments: ")[2].split():
            mistyped = word.split("=")[0]
            letters = re.sub("[-_]", "", mistyped).lower()
            of_tables = list[str]()
            for flag in flags:
                tail = flag.partition(".")[2].replace("_", "")
                if letters and mistyped.startswith("--") and tail.startswith(letters):
                    of_tables.append(flag)
            meant += of_tables or [mistyped]
        super().error(f"{message}{did_you_mean(flags, *meant)}")


def flush_stdout() -> None:
    """Flush stdout. If that fails, discard the rest; otherwise the interpreter would retry and
    complain.
    """
    try:
        sys.stdout.flush()
    except OSError:
        # The disk is full, or the pipe is broken; Windows calls that an invalid argument.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def handling_signals(
    names: str, handler: Callable[[int, FrameType | None], object]
) -> Iterator[None]:
    """Let a handler have these signals, where the system knows them, in the block. What `nohup`
    ignores stays so.
    """
    before = {}
    for name in names.split():
        number = getattr(signal, name, None)
        if number is None:
            continue
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


class HelpFormatter(argparse.HelpFormatter):
    """Wraps prose to the terminal's width but keeps indented lines, which are examples to copy,
    unchanged.
    """

    def __init__(self, prog: str, **keywords: Any) -> None:
        super().__init__(prog, max_help_position=_HELP_COLUMN, **keywords)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # Lines that are empty, indented or a heading are not part of a paragraph.
        paragraphs = itertools.groupby(
            text.splitlines(), lambda line: line[:1].strip() == "" or line.endswith(":")
        )
        lines = list[str]()
        for is_apart, block in paragraphs:
            texts = list(block)
            if not is_apart:
                texts = [" ".join(texts)]
            for line in texts:
                if not line[:1].isspace():
                    line = textwrap.fill(line, width)
                lines.append(line)
        return "\n".join(lines)


Commands = Mapping[str, tuple[str, str]]  # name -> (module, help)
_TOP_FLAGS = ("-h", "--help", "--version")


def run_program(
    program: str,
    version: str,
    description: str,
    commands: Commands,
    words: Sequence[str] | None,
    default: str = "",
) -> int:
    """Run the subcommand that the words (None: the command line's) name, and return the exit
    status.

    It is 2 for bad usage, 1 for an error of Aino's own, of which one line is printed on stderr.
    default: the subcommand of words that name none.
    """
    if words is None:
        words = sys.argv[1:]
    name, *rest = words or [""]
    is_flag = name.startswith("-") and name.partition("=")[0] not in _TOP_FLAGS
    if default and (is_flag or not name):
        name = default
        rest = list(words)
    if name in commands:
        module, text = commands[name]
        return run_subcommand(program, name, text, module, rest)
    if name and not name.startswith("-"):
        guess = did_you_mean(commands, name) or "."
        print(
            f"{program}: unknown command {name!r}{guess} `{program} --help` lists the commands.",
            file=sys.stderr,
        )
        return USAGE
    parser = CommandParser(prog=program, description=description)
    parser.add_argument("--version", action="version", version=f"Aino {version}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command, (_, text) in commands.items():
        subparsers.add_parser(command, help=text.replace("%", "%%"))
    parser.parse_args(words)
    return 0
