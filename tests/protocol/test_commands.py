"""Commands are heard whatever the engine is doing: read ahead of those that it works on."""

import io
import os
import subprocess
import threading

import pytest

from tests.new_process import linux, talking, wait_until
from tests.protocol.aino_process import COMMAND
from tests.protocol.conftest import SMALL
from tests.protocol.fake_engine import Conversation
from uci.protocol import serve
from uci.protocol.serve import CommandsAhead, read_lines
from uci.protocol.words import Writer

PROMPTLY_S = 60.0


class Hearing:
    """Stands in for a session, and for what ends the process."""

    def __init__(self):
        self.heard = []

    def stop(self):
        self.heard.append("stop")

    def leave(self):
        self.heard.append("leave")


@pytest.fixture
def busy(monkeypatch):
    """(what is heard, the end of a pipe to write to) of commands of which the first is worked on."""
    monkeypatch.setattr(serve, "TOGETHER_S", -1.0)
    hearing = Hearing()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        commands = iter(CommandsAhead(stream, hearing, hearing.leave))
        pipe.write(b"isready\n")
        assert next(commands) == "isready"
        yield hearing, pipe


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"quit\n", ["stop", "leave"]),
        (b"stop\n", ["stop"]),
        (None, ["stop", "leave"]),  # the GUI is gone
    ],
)
def test_what_ends_a_search_does_not_wait_for_the_command_before_it(busy, sent, heard):
    hearing, pipe = busy
    if sent is None:
        pipe.close()
    else:
        pipe.write(sent)
    wait_until(lambda: hearing.heard == heard)


def test_a_script_that_quits_in_its_last_line_gets_its_answers():
    hearing = Hearing()
    commands = CommandsAhead(io.BytesIO(b"uci\nisready\nquit\n"), hearing, hearing.leave)
    assert list(commands) == ["uci", "isready", "quit"]
    assert "leave" not in hearing.heard


def test_quit_is_heard_where_the_gui_does_not_read():
    with talking([*COMMAND, *SMALL]) as process:
        process.stdin.write(b"uci\n" * 100)  # more answers than a pipe holds
        process.stdin.flush()
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2 * serve.TOGETHER_S)
        process.stdin.write(b"quit\n")
        process.stdin.flush()
        assert process.wait(PROMPTLY_S) == 0


def test_a_command_does_not_wait_for_answers_that_nobody_reads():
    """The log of the conversation and its output had one lock."""
    reads = threading.Event()

    class Full(io.StringIO):
        def write(self, text):
            reads.wait(PROMPTLY_S)

    writer = Writer(Full())
    writing = threading.Thread(target=writer.line, args=("info depth 1",))
    writing.start()
    hearing = threading.Thread(target=writer.received, args=("stop",))
    hearing.start()
    hearing.join(5.0)
    assert not hearing.is_alive()
    reads.set()
    writing.join()


# ---- bytes and names of files ------------------------------------------------------------------------------


STREAMS = {
    "bytes that are no text": (b"\xff\xfe\x80 go\xc3\n", ["unknown command: € goÃ"]),
    "a long line": (b"x" * (1 << 20) + b"\n\n\r\n", ["unknown command: " + "x" * 200]),
    "the mark of UTF-8, and zeros": (
        b"\xef\xbb\xbfisready\n\0isready\r\n\0isready\0\n",
        ["readyok"] * 3,
    ),
}


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_of_any_bytes_is_read(case):
    sent, answers = STREAMS[case]
    assert answers_to(sent) == answers


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le", "utf-16"])
def test_words_in_the_encodings_of_other_guis_are_read(encoding):
    assert answers_to("Müller\n".encode(encoding)) == ["unknown command: Müller"]


def talk_after(sent):
    talk = Conversation()
    talk.say(*read_lines(io.BytesIO(sent)))
    return talk


def answers_to(sent):
    return [line.removeprefix("info string ") for line in talk_after(sent).lines]


def options_after(line):
    return talk_after(line).session.options


@linux  # the system's names of files are text
def test_a_path_that_is_not_utf8_is_taken(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.dit"
    with open(name, "wb"):
        line = b"setoption name WeightsFile value " + name + b"\n"
    assert os.fsencode(options_after(line).weights_file) == name


@linux  # the system's names of files are text
def test_one_folder_of_a_list_may_have_a_name_that_is_not_utf8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xe9"
    os.mkdir(folder)
    line = b"setoption name SyzygyPath value /nowhere" + os.fsencode(os.pathsep) + folder + b"\n"
    assert os.fsencode(options_after(line).syzygy_path).endswith(folder)


def test_a_name_in_windows_1252_of_a_file_whose_name_is_text_is_found(tmp_path):
    line = b"setoption name WeightsFile value " + str(tmp_path / "café.dit").encode("cp1252")
    assert options_after(line + b"\n").weights_file == str(tmp_path / "café.dit")


@linux  # the system's names of files are text
def test_the_log_takes_names_that_are_not_text(tmp_path):
    writer = Writer(io.StringIO())
    writer.log_to(str(tmp_path / "log.txt"))
    writer.info("caf\udce9.dit: file not found")
    writer.log_to("")
    assert "caf?.dit" in (tmp_path / "log.txt").read_text("utf-8")
