"""Builds the distributions as `pip` would, offline and in copies, and installs one outside the checkout."""

import fcntl
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.forked_processes import ROOT

#: program that calls setuptools; the last line that it prints is the file's name
_BUILD = "from setuptools import build_meta; print(build_meta.build_{kind}({folder!r}))"
#: the parts of the checkout that a build sees; one file stands for all tests
_FOLDERS = ("schema", "pipeline", "workers", "docs", "deploy", "client")
_A_TEST = Path("tests/test_packaging.py")
#: the program of a dependency that the Procfile calls
_CELERY = "#!/bin/sh\nexec '{python}' -m celery \"$@\"\n"
_ORIGINS = "import schema, pipeline, workers; print(schema.__file__, pipeline.__file__, workers.__file__, sep='\\n')"


@dataclass(frozen=True, slots=True)
class Built:
    """The product's distributions; the wheel is built from the sdist."""

    sdist: Path
    wheel: Path


def build(kind: str, source: Path, folder: Path) -> Path:
    """Return the distribution ("sdist" or "wheel") of a source tree, built into the folder."""
    return folder / _run([sys.executable, "-c", _BUILD.format(kind=kind, folder=str(folder))], source)


def build_product(folder: Path) -> Built:
    """Return the product's distributions, built under the folder."""
    checkout = folder / "checkout"
    unused = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, checkout / name, symlinks=True, ignore=unused)
    for path in (*ROOT.iterdir(), ROOT / _A_TEST):
        if path.is_file() and path.name != ".git":
            copy = checkout / path.relative_to(ROOT)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(path, copy)
    sdist = build("sdist", checkout, folder)
    return Built(sdist, build("wheel", unpacked(sdist, folder / "sdist"), folder))


def build_once(shared: Path) -> Built:
    """Return the product's distributions, built by the first process of a test run that wants them."""
    folder = shared / "distributions"
    with (shared / "distributions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = shared / "distributions.draft"
            draft.mkdir()
            build_product(draft)
            draft.rename(folder)
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


def unpacked(sdist: Path, folder: Path) -> Path:
    """Return the source tree of an sdist, unpacked into the folder."""
    with tarfile.open(sdist) as packed:
        if hasattr(tarfile, "data_filter"):  # Debian 12's Python 3.11.2 has none
            packed.extraction_filter = tarfile.data_filter
        packed.extractall(folder)  # noqa: S202 - our own sdist
    [source] = folder.iterdir()
    return source


def install(wheel: Path, folder: Path) -> Path:
    """Create an environment with the wheel and this environment's libraries, without its checkout; return its `bin`."""
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    python = str(programs / "python")
    libraries = _run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder)
    ours = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    # a folder in a .pth file is searched, but .pth files in it, such as the checkout's, are not processed
    (Path(libraries) / "libraries.pth").write_text("\n".join(ours))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    _run([*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)], folder)
    (programs / "celery").write_text(_CELERY.format(python=python))
    (programs / "celery").chmod(0o755)
    origins = _run([python, "-I", "-c", _ORIGINS], folder, whole=True).splitlines()
    assert all(Path(each).is_relative_to(libraries) for each in origins), origins
    return programs


def _run(argv: Sequence[str], folder: Path, *, whole: bool = False) -> str:
    """Run a command; return the last line of its output, or all of it."""
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout if whole else done.stdout.rstrip().rpartition("\n")[2]
