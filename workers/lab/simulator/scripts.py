"""Reads the simulator's carriers and their scripts from a file or the command line; the two of the demo."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.carriers.simulator_script import read
from pipeline.errors import ConfigurationError

#: an SMSC whose ids are hex in submit_sm_resp and decimal in receipts; and an HTTP vendor that sometimes closes the
#: connection without a response
DEMO: dict[str, dict[str, object]] = {
    "alpha": {
        "refuse_transient": 0.08,
        "throttle": 0.02,
        "latency_ms": 5,
        "smpp": {"ids": "hex", "receipt_ids": "decimal", "receipts": "text"},
    },
    "beta": {"drop": 0.01, "latency_ms": 5},
}


def scripts(config: Path | None = None, carriers: Sequence[str] = (), seed: int = 0) -> dict[str, dict[str, object]]:
    """Return each carrier's script: those of the file (name → script; JSON, or TOML with a table each) and those
    given as `name={…}` or just `name`; without either the demo's. The seed is for scripts that have none.
    """
    found = _file(config) if config else {}
    for given in carriers:
        name, _, script = given.partition("=")
        found[name] = _object(f"--carrier {name}", script or "{}")
    return {name: {"seed": seed, **script} for name, script in (found or DEMO).items()}


def smpp_settings(name: str, script: Mapping[str, object], host: str, port: int) -> dict[str, object]:
    """Return the settings of an SMPP carrier that binds to a simulator with this script."""
    return {"host": host, "port": port, "system_id": name, **read(name, script).smpp.client_settings()}


def _file(path: Path) -> dict[str, dict[str, object]]:
    try:
        text = path.read_text()
        given: object = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if not isinstance(given, Mapping) or not all(isinstance(script, Mapping) for script in given.values()):
        raise ConfigurationError(f"{path}: must map each carrier's name to a script")
    return {name: dict(script) for name, script in given.items()}


def _object(where: str, text: str) -> dict[str, object]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{where}: the script is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigurationError(f"{where}: the script must be an object")
    return given
