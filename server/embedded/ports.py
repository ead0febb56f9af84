"""Ports of the embedded services: chosen once, remembered, replaced only when another program took them."""

import secrets
import socket

# Below the range from which operating systems take ports for outgoing connections.
_FIRST, _LAST = 20_000, 32_000
_ATTEMPTS = 200


def choose(host: str, remembered: int | None) -> int:
    """`remembered` if still free on `host`, else a free port drawn at random. Raises OSError if none is."""
    if remembered is not None and _is_free(host, remembered):
        return remembered
    for _ in range(_ATTEMPTS):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if _is_free(host, port):
            return port
    raise OSError(f"no free port on {host} between {_FIRST} and {_LAST}")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def accepts(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
