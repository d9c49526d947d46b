"""Generated passwords and ports of this installation, kept in a file that only its owner may read."""

import json
import os
import random
import secrets
import socket
from pathlib import Path
from typing import Any

#: below the ephemeral ports, so that a port is still free when its server restarts
_PORTS = range(15_000, 30_000)


def password(folder: Path, name: str) -> str:
    """Return the password kept under that name, generated at the first call. It needs no quoting in a URL."""
    kept = _read(folder)
    if f"{name}_password" not in kept:
        kept[f"{name}_password"] = secrets.token_hex(20)
        write(folder / "kept.json", kept)
    return str(kept[f"{name}_password"])


def known_password(folder: Path, name: str) -> str | None:
    """Return the password kept under that name, or None."""
    return _read(folder).get(f"{name}_password")


def port(folder: Path, name: str) -> int:
    """Return the port on 127.0.0.1 kept under that name; chosen at the first call and whenever it is in use."""
    kept = _read(folder)
    chosen = kept.get(f"{name}_port")
    while not (chosen and is_free(chosen)):
        chosen = random.choice(_PORTS)
    if chosen != kept.get(f"{name}_port"):
        write(folder / "kept.json", kept | {f"{name}_port": chosen})
    return int(chosen)


def is_free(port: int) -> bool:
    """Whether that port of 127.0.0.1 is free."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that only its owner may read, atomically."""
    draft = path.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    draft.rename(path)


def _read(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "kept.json").read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return {}
