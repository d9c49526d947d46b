"""Fault injection in worker processes: patches modules, when this folder is on PYTHONPATH.

A module is patched when it is imported. Where that was before, as in the fork server, the names by which other modules
have imported what was patched are bound anew.

A fault is triggered by a body, a batch size, or a file that a test puts into the folder MINES; it kills the process as
a broken C extension would, or sends twice.
"""

import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

#: a body with this word kills the worker that sends it
LETHAL = "lethal"
#: … that segments it
MEASURED = "unmeasurable"
#: … that reads the order
READ = "unreadable"
#: a batch of this size kills the worker that bills it
BILLED = 13


def _die() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def _once(name: str) -> bool:
    """Return whether the file of that name existed; it is deleted, so that it triggers once."""
    try:
        (Path(os.environ.get("MINES", "/nonexistent")) / name).unlink()
    except OSError:
        return False
    return True


def _carriers(module: Any) -> None:
    simulated = module.KINDS["simulated"]

    class Lethal(simulated.make):  # type: ignore[misc, name-defined]
        def send(self, parcels: Sequence[Any]) -> list[Any]:
            if any(LETHAL in parcel.body for parcel in parcels):
                _die()
            return list(super().send(parcels))

    def stillborn(name: str, settings: object) -> None:
        _die()

    # in each worker, but used only by carriers of these kinds
    for name, make in {"lethal": Lethal, "stillborn": stillborn}.items():
        module.KINDS[name] = replace(simulated, name=name, make=make)


def _measure(module: Any) -> None:
    measure = module.measure

    def mined(bodies: Any) -> Any:
        texts = list(bodies)
        if any(MEASURED in text for text in texts):
            _die()
        return measure(texts)

    module.measure = mined


def _read(module: Any) -> None:
    read = module.read

    def mined(payload: Any) -> Any:
        if READ in str(payload.get("body")):
            _die()
        return read(payload)

    module.read = mined


def _ingest(module: Any) -> None:
    ingest = module.ingest

    def mined(*given: Any) -> Any:
        answers = ingest(*given)
        if _once("after_ingest"):
            os.kill(os.getpid(), signal.SIGKILL)
        return answers

    module.ingest = mined


def _bill(module: Any) -> None:
    bill = module.bill

    def mined(rt: object, batch: object, measures: Any = None, **more: Any) -> Any:
        if measures and len(measures) == BILLED:
            bill(rt, batch, [], **more)
            _die()
        return bill(rt, batch, measures, **more)

    module.bill = mined


def _submission(module: Any) -> None:
    accept_sends = module.accept_sends

    def mined(*given: Any) -> Any:
        answers = accept_sends(*given)
        if _once("after_accept"):
            os.kill(os.getpid(), signal.SIGKILL)
        return answers

    module.accept_sends = mined


def _double(module: Any) -> None:
    forward = module.forward

    def twice(*given: Any) -> None:
        forward(*given)
        forward(*given)

    if "DOUBLE" in os.environ:
        module.forward = twice


FAULTS: dict[str, Callable[[Any], None]] = {
    "pipeline.carriers.registry": _carriers,
    "pipeline.rules.text.segments": _measure,
    "pipeline.stages.bill": _bill,
    "pipeline.stages.ingest": _ingest,
    "schema.order_reader": _read,
    "workers.api.submission": _submission,
    "workers.tasks": _double,
}


class _Layer(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        lay = FAULTS.pop(name, None)
        spec = importlib.util.find_spec(name) if lay else None
        if spec is None or spec.loader is None or lay is None:
            return None
        load = spec.loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            lay(module)

        spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


def _lay_in_imported(name: str) -> None:
    module = sys.modules[name]
    before = dict(vars(module))
    FAULTS.pop(name)(module)
    after = vars(module)
    patched = {id(value): after[key] for key, value in before.items() if after[key] is not value}
    for other in [each for key, each in sys.modules.items() if key.startswith("pipeline.")]:
        for key, value in list(vars(other).items()):
            if id(value) in patched:
                setattr(other, key, patched[id(value)])


for _name in [each for each in FAULTS if each in sys.modules]:
    _lay_in_imported(_name)
sys.meta_path.insert(0, _Layer())
