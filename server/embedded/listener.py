"""The socket that all server processes share, opened first, so that a taken port is found at once."""

import errno
import socket

from server.embedded.words import StartError

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Open it. Raises StartError: the port is taken or forbidden, or the address is not ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _explained(error, host, port) from error
    return listener


def _explained(error: OSError, host: str, port: int) -> StartError:
    if error.errno == errno.EADDRINUSE:
        return StartError(
            f"端口 {port}（{host}）已被占用，请停止占用它的程序或换用 --port",
            f"port {port} on {host} is taken: stop the program that uses it or choose another --port",
        )
    if error.errno == errno.EACCES:
        return StartError(
            f"无权监听端口 {port}，请换用 1024 以上的 --port",
            f"port {port} may not be used by this user: choose a --port above 1023",
        )
    return StartError(
        f"无法监听 {host}:{port}（{error.strerror}），请检查 --host",
        f"cannot listen on {host}:{port} ({error.strerror}): check --host",
    )
