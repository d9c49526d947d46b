"""Fork server of the tests: a process that has imported all dependencies, and forks a product process per request.

Importing Celery, SQLAlchemy, `schema` and `pipeline` costs each process two seconds of CPU and more. Here they are
imported once, but no module of `workers`: a fork reads its settings and opens its connections like a process that was
started normally, with the same arguments, environment, folder, session and log.

A request is a line of JSON on stdin. Responses are lines on stdout: `{"forked": pid}`, and when it has ended
`{"ended": pid, "code": code}`. tests/forked_processes.py is the client.
"""

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import sys
from pathlib import Path
from typing import Any

_OTHERS = (
    "aiohttp.web",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "click",
    "cryptography.fernet",
    "cryptography.hazmat.primitives.ciphers.aead",
    "httptools",
    "kombu.transport.redis",
    "phonenumbers",
    "psycopg",
    "pydantic",
    "pydantic_settings",
    "redis",
    "sqlalchemy.dialects.postgresql.psycopg",
    "uvloop",
    "yarl",
)
#: importing these does nothing but define: they read no environment and keep no state of a process
_DECLARED = ("schema", "pipeline")
_PR_SET_PDEATHSIG = 1


def maintain() -> dict[str, Any]:
    """Fork for each request until stdin is closed; return the request, in the fork only."""
    _import()
    gc.collect()
    gc.freeze()
    ears, alarm = os.pipe()
    for end in (ears, alarm):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(alarm)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    received = b""
    while True:
        ready = select.select([0, ears], [], [])[0]
        if ears in ready:
            os.read(ears, 4096)
            _bury()
        if 0 in ready:
            more = os.read(0, 1 << 20)
            if not more:
                sys.exit()
            *lines, received = (received + more).split(b"\n")
            for line in lines:
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.close(ears)
                    os.close(alarm)
                    return dict(json.loads(line))
                _say(forked=pid)


def _import() -> None:
    for name in _OTHERS:
        importlib.import_module(name)
    for name in _DECLARED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.startswith("schema.migrations."):  # Alembic runs these
                importlib.import_module(module.name)
    assert "workers" not in sys.modules


def become(order: dict[str, Any]) -> None:
    """Set up the fork as the requested process and run it."""
    fork_server = int(order["nest"])
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != fork_server:
        os._exit(1)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(1, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    ours = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    sys.path[:] = [str(Path.cwd()), *ours, *(each for each in sys.path if each not in ours)]
    importlib.invalidate_caches()
    if any(Path(each, "sitecustomize.py").exists() for each in ours):  # as Python does at start
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    _run(order["argv"])


def _run(argv: list[str]) -> None:
    match argv:
        case ["nice", "-n", by, *rest]:
            os.nice(int(by))
            _run(rest)
        case ["env", assigned, *rest] if "=" in assigned:
            name, _, value = assigned.partition("=")
            os.environ[name] = value
            _run(rest)
        case ["celery", *_]:
            _run_module("celery", argv)
        case ["postroad", "carriers", name]:  # what the command executes
            _run_module("workers.carrier_workers.worker", ["one", name])
        case ["postroad", *_]:
            _run_module("workers.cli", argv)
        case [program, "-m", module, *rest] if program == sys.executable:
            _run_module(module, [module, *rest])
        case _:
            os.execvp(argv[0], argv)


def _run_module(name: str, argv: list[str]) -> None:
    sys.argv[:] = argv
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _bury() -> None:
    """Reap ended forks and report them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _say(ended=pid, code=os.waitstatus_to_exitcode(status))


def _say(**words: int) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    # this file's folder has modules that must not be importable
    sys.path.pop(0)
    become(maintain())
