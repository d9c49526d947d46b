"""Reads the Procfile, which alone has the processes' command lines, and runs a line of it.

`python -m workers.processes.procfile worker` becomes that process: the command of the containers in docker-compose.yml.
"""

import os
import re
import sys
from pathlib import Path

from pipeline.errors import ConfigurationError

#: in a checkout a link to the Procfile at its root; an installed package has the file itself
PROCFILE = Path(__file__).with_name("Procfile")
#: the folder that `workers` is imported from: the checkout, or site-packages
IMPORTED_FROM = Path(__file__).resolve().parents[2]

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def read_procfile(path: Path = PROCFILE) -> dict[str, str]:
    """Return the shell line of each process by its name, in the file's order."""
    lines: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.rstrip())
        if not found or found[1] in lines:
            raise ConfigurationError(f"{path}:{number}: not `name: command`, or a duplicate name")
        lines[found[1]] = found[2]
    return lines


def shell(line: str) -> list[str]:
    """Return the command by which a shell expands the line and execs it."""
    return ["/bin/sh", "-c", f"exec {line}"]


def path_with_ours() -> str:
    """Return PATH with the folder of this Python first, for its `celery` and `postroad`."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def main(name: str) -> None:
    """Become the process of that name."""
    lines = read_procfile()
    if name not in lines:
        sys.exit(f"no process `{name}` in {PROCFILE}; it has {', '.join(lines)}")
    command = shell(lines[name])
    os.execve(command[0], command, os.environ | {"PATH": path_with_ours()})


if __name__ == "__main__":
    main(*sys.argv[1:])
