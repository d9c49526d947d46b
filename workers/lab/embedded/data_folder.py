"""The data folder of the embedded servers, and the user that they run as.

Neither server should run as root, and PostgreSQL refuses to. So root runs both as `postgres`, or `nobody`, on folders
created for that user here. Only folders created here are chmod'ed or chown'ed; if that user cannot reach `home` (below
a closed /root), the data are kept in a folder under /var/lib instead.
"""

import hashlib
import logging
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError

log = logging.getLogger(__name__)

#: for data that the unprivileged user could not reach under `home`
ELSEWHERE = Path("/var/lib")
#: the servers' whole environment, so that they do not see passwords of other services
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folders of the embedded servers, and the user (uid, gid) they run as; None: our own."""

    #: run file and logs
    home: Path
    #: data, passwords, copied programs: `home` itself wherever the servers can reach it
    data: Path
    account: tuple[int, int] | None

    def folder(self, name: str) -> Path:
        """Return a folder below `data` that only the servers' user can open; created if missing."""
        return make_folder(self.data / name, self.account, 0o700)

    def log(self, name: str) -> Path:
        """Return the path of a server's log."""
        return make_folder(self.home / "logs", None, 0o700) / f"{name}.log"

    def run(self, argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command as the servers' user and return its output; OSError when that user may not."""
        return run_as(self.account, argv)


def choose(home: Path) -> DataFolder:
    """Return the folders for `home`; ConfigurationError when the data belong to another user."""
    home = home.resolve()
    root = os.geteuid() == 0
    make_folder(home, None, 0o755 if root else 0o700)
    if not root:
        return DataFolder(home, _ours(home), None)

    account = _owner(home / "postgres") or _unprivileged()
    if _reaches(account, home):
        return DataFolder(home, home, account)
    data = make_folder(_elsewhere(home), None, 0o755)
    log.info("%s is out of reach of uid %d: data are kept in %s", home, account[0], data)
    account = _owner(data / "postgres") or account
    if _reaches(account, data):
        return DataFolder(home, data, account)
    raise ConfigurationError(f"neither {home} nor {data} can be reached by uid {account[0]}; set POSTROAD_HOME")


def make_folder(path: Path, account: tuple[int, int] | None, mode: int) -> Path:
    """Return the folder, created with that owner and mode if missing."""
    if path.is_dir():
        return path
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be created ({error.strerror}); set POSTROAD_HOME") from None
    path.chmod(mode)
    if account:
        os.chown(path, *account)
    return path


def write_as(account: tuple[int, int] | None, path: Path, text: str) -> Path:
    """Write a file that only the servers' user can read, and return its path."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if account:
        os.chown(path, *account)
    return path


def run_as(account: tuple[int, int] | None, argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a short command as that user and return its output; OSError when that user may not."""
    user, group = account or (None, None)
    return subprocess.run(
        argv,
        check=False,
        user=user,
        group=group,
        extra_groups=() if account else None,
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def _elsewhere(home: Path) -> Path:
    return ELSEWHERE / f"postroad-{hashlib.sha256(os.fsencode(home)).hexdigest()[:10]}"


def _reaches(account: tuple[int, int], folder: Path) -> bool:
    return run_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]).returncode == 0


def _owner(folder: Path) -> tuple[int, int] | None:
    """Return the owner of existing data, which may have been created without root."""
    if not folder.is_dir() or folder.stat().st_uid == 0:
        return None
    return folder.stat().st_uid, folder.stat().st_gid


def _ours(home: Path) -> Path:
    owner = _owner(home / "postgres")
    if owner and owner[0] != os.geteuid():
        raise ConfigurationError(f"{home} belongs to uid {owner[0]}: run as that user or as root, or set POSTROAD_HOME")
    return home


def _unprivileged() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    raise ConfigurationError("there is no user `postgres` or `nobody` to run the servers as; run as another than root")
