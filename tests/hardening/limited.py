"""Aino's commands as processes in a poor environment: little memory, a disk that is full, no
network.
"""

import os
import subprocess
import sys

from tests.protocol.aino_process import ROOT

LONGEST_S = 280

_LIMITED = """
import resource, runpy, sys
for name, most in {limits!r}.items():
    resource.setrlimit(getattr(resource, name), (most, most))
sys.dont_write_bytecode = True  # Python would keep files that a limit cut
sys.argv = {arguments!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""

# Every new process of this environment runs it, workers too. A local socket has no host and port.
_NO_NETWORK = """
import sys

def refuse(event, arguments):
    outside = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        outside = isinstance(arguments[1], tuple)
    if outside:
        raise SystemExit("the network was asked for: " + event + str(arguments))

sys.addaudithook(refuse)
"""


def command(module, *arguments, **limits):
    """`python -m MODULE ARGUMENTS` under resource limits, such as RLIMIT_AS=bytes."""
    words = [module, *map(str, arguments)]
    return [sys.executable, "-c", _LIMITED.format(limits=limits, arguments=words, module=module)]


def run(module, *arguments, environment=None, text="", **limits):
    """Such a command run to its end, `text` on its standard input."""
    return subprocess.run(
        command(module, *arguments, **limits), cwd=ROOT, env={**os.environ, **(environment or {})}, input=text,
        capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip


def without_network(folder):
    """An environment in which whoever asks for the network ends with a message."""
    (folder / "sitecustomize.py").write_text(_NO_NETWORK)
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
