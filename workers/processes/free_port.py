"""Checks before a server starts that its port is free."""

import socket

from pipeline.errors import ConfigurationError


def require_free(host: str, port: int, setting: str) -> None:
    """Raise ConfigurationError, naming the setting, when that port cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ConfigurationError(
            f"port {port} ({setting}) on {host} cannot be listened on ({error.strerror}); "
            f"stop the process that uses it, or set {setting} to another port"
        ) from None
