"""Where a server listens."""

import socket

from pixelsmile.errors import InputError

_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there (port 0: any that is free). InputError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot listen at {host} port {port} ({reason}): choose another --port") from error
    return listening
