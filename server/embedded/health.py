"""Asks the running server whether it is ready, without an HTTP library in the supervisor."""

import socket

_REQUEST = b"GET /health/ready HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
_SECONDS = 5.0


def is_ready(host: str, port: int, *, tls: bool) -> bool:
    """Whether `/health/ready` answers 200. The certificate is ours, so it is not judged here."""
    try:
        with socket.create_connection((host, port), timeout=_SECONDS) as plain:
            stream = _secured(plain, host) if tls else plain
            stream.sendall(_REQUEST % host.encode())
            return b" 200 " in stream.recv(64).partition(b"\r\n")[0]
    except OSError:
        return False


def _secured(plain: socket.socket, host: str) -> socket.socket:
    import ssl  # several megabytes, for those who use it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)
