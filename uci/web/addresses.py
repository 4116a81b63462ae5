"""Addresses of the board's server: where it listens, and how a browser names it."""

import contextlib
import ipaddress
import socket

from engine.errors import ConfigError

ADDRESS = "127.0.0.1"
EVERY_ADDRESS = ("0.0.0.0", "::")  # stand for all addresses of this machine
_HTTP_PORT = "80"  # browsers leave it out


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        is_dual = host == "::" and socket.has_dualstack_ipv6()  # `own_address` is one of IPv4
        listening = socket.create_server((host, port), family=family, dualstack_ipv6=is_dual)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"cannot listen on {host}, port {port}: {error}") from error
    listening.setblocking(False)
    return listening


def own_address() -> str:
    """Return this machine's address in its network; 127.0.0.1 without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address for documentation, which only chooses the way out.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ADDRESS
        return str(probe.getsockname()[0])


def name_and_port(host: str) -> tuple[str, str]:
    """Name and port in a Host header or behind the scheme of an origin, as a browser writes them or
    a person types.
    """
    name, colon, port = host.lower().rpartition(":")
    if not colon or port.endswith("]"):
        name = host.lower()
        port = _HTTP_PORT
    if name.startswith("["):
        name = name.removeprefix("[").removesuffix("]")
    return name, port


def is_number(name: str) -> bool:
    """Whether a host is named by the number of its address."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False
