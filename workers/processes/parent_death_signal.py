"""Runs a command that gets a signal when its parent process ends (PR_SET_PDEATHSIG), however that ends.

It is a script between fork and exec: Linux resets PR_SET_PDEATHSIG when the user changes, so it must be set after that,
and a `preexec_fn` may deadlock in a process with threads. On other systems the command is only run.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def with_parent_death_signal(
    argv: Sequence[str], *, stop_signal: signal.Signals = signal.SIGTERM, account: tuple[int, int] | None = None
) -> list[str]:
    """Return the command that runs `argv` and is sent `stop_signal` when the thread that starts it ends.

    `account` is the uid and gid to run as (root only). Start it from a thread that lives as long as the program does.
    """
    user = f"{account[0]}:{account[1]}" if account else "-"
    return [sys.executable, "-I", "-S", __file__, str(int(stop_signal)), str(os.getpid()), user, *argv]


def _run(stop_signal: str, parent: str, account: str, *argv: str) -> None:
    if account != "-":
        uid, gid = map(int, account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent process has ended")

    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and exec would inherit that
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.exit(f"{argv[0]}: {error.strerror}")


if __name__ == "__main__":
    _run(*sys.argv[1:])
