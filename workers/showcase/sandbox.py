"""What `up` and `demo` try things with: an account with a sender, and two simulated carriers of which one is clumsy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings
from pipeline.stages.office.furnish import Sandbox
from workers.embedded import kept
from workers.simulator.scripts import DEMO, smpp_settings

ACCOUNT = "demo"
SENDER = "Postroad"
CURRENCY = "NGN"
#: a number the simulated carriers always take and deliver to
GOOD_NUMBER = "+2348031234567"
#: kobo a segment
PRICES = {
    "NG": 400,
    "GH": 2900,
    "KE": 1500,
    "CI": 5200,
    "IN": 700,
    "GB": 6400,
    "DE": 11200,
    "FR": 8900,
    "US": 1300,
    "BR": 2100,
    "*": 9900,
}
#: kobo: a hundred thousand naira
MONEY = 10_000_000

#: hosts that mean: on every address
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def scripts(home: Path) -> Path:
    """Return the simulator's file of scripts under `home`, written unless somebody did before: it is theirs to change.

    Each carrier has a token that its receipts must bear.
    """
    path = home / "simulator.json"
    if not path.exists():
        token, ending = kept.password(home, "receipts"), GOOD_NUMBER[-7:]
        receipts = {"delay": [0.2, 1.5], "failed:absent": 0.02, "numbers": {ending: "delivered"}, "token": token}
        usual = {"numbers": {ending: "accept"}, "receipts": receipts}
        kept.write(path, {name: {**script, **usual} for name, script in DEMO.items()})
    return path


def sandbox(settings: Settings, played: Path) -> Sandbox:
    """Return the sandbox whose carriers are the simulator's that plays that file."""
    return Sandbox(
        account=ACCOUNT,
        sender=SENDER,
        currency=CURRENCY,
        money=MONEY,
        prices=PRICES,
        carriers={name: ("http", _carrier(settings, name, script)) for name, script in _read(played).items()},
    )


def smpp(settings: Settings, name: str, script: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an SMPP carrier whose SMSC is the simulator that plays this script."""
    return smpp_settings(name, script, "127.0.0.1", settings.simulator_smpp_port)


def gateway_url(settings: Settings) -> str:
    """Return where this machine reaches the gateway."""
    host = "127.0.0.1" if settings.gateway_host in _ANYWHERE else settings.gateway_host
    return f"http://[{host}]:{settings.gateway_port}" if ":" in host else f"http://{host}:{settings.gateway_port}"


def _carrier(settings: Settings, name: str, script: Mapping[str, Any]) -> dict[str, Any]:
    token = script.get("receipts", {}).get("token", "")
    return {
        "base_url": f"http://127.0.0.1:{settings.simulator_port}",
        "receipt_url": f"{gateway_url(settings)}/receipts/{name}",
        **({"receipt_token": token} if token else {}),
    }


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}; take it away and it is written anew") from None
