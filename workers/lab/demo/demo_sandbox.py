"""The sandbox of `up` and `demo`: an account with a sender, a simulated SMSC and a simulated HTTP vendor."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER, Sandbox
from workers import generated_secrets
from workers.lab.simulator.scripts import DEMO, smpp_settings

#: another sender id: a short code that handsets can reply to
SHORT_CODE = "32100"
CURRENCY = "NGN"
#: a number that the simulated carriers always accept and deliver to
GOOD_NUMBER = "+2348031234567"
#: a number that the SMSC always refuses: the other carrier delivers to it
REFUSED_NUMBER = "+2348037654321"
#: the receipt error after which another carrier is tried: MAP's systemFailure
_RETRYABLE = "034"
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
#: the initial balance in kobo: a hundred thousand naira
MONEY = 10_000_000
#: the country whose messages go by SMPP first
HOME_COUNTRY = "NG"

#: longest SMPP password
_LONGEST_PASSWORD = 8
#: hosts that mean every address
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def scripts(home: Path) -> Path:
    """Return the simulator's file of scripts under `home`; written if missing, so that users can change it.

    Each carrier has a token for its receipts, or a password for its binds.
    """
    path = home / "simulator.json"
    if not path.exists():
        good, refused = GOOD_NUMBER[-7:], REFUSED_NUMBER[-7:]
        reached = {good: "delivered", refused: "delivered"}
        receipts = {"delay": [0.2, 1.5], "failed:absent": 0.01, "failed:34": 0.02, "numbers": reached}
        token, password = (
            generated_secrets.password(home, "receipts"),
            generated_secrets.password(home, "smsc")[:_LONGEST_PASSWORD],
        )
        played: dict[str, Any] = {}
        for name, script in DEMO.items():
            if _is_smsc(script):
                numbers = {good: "accept", refused: "refuse_transient"}
                more = {"receipts": receipts, "smpp": {**_mapping(script["smpp"]), "password": password}}
            else:
                numbers = {good: "accept", refused: "accept"}
                more = {"receipts": {**receipts, "token": token}}
            played[name] = {**script, "numbers": numbers, **more}
        generated_secrets.write(path, played)
    return path


def sandbox(settings: Settings, played: Path) -> Sandbox:
    """Return the sandbox whose carriers are the simulator's with that file of scripts.

    Carriers with an `smpp` script get SMPP, and come first in the home country, as an operator's bind would.
    """
    scripts = _read(played)
    binds = [name for name, script in scripts.items() if _is_smsc(script)]
    vendors = [name for name in scripts if name not in binds]
    return Sandbox(
        account=ACCOUNT,
        sender=SENDER,
        currency=CURRENCY,
        money=MONEY,
        prices=PRICES,
        carriers={
            name: ("smpp", smpp(settings, name, script))
            if name in binds
            else ("http", _carrier(settings, name, script))
            for name, script in scripts.items()
        },
        routes={"*": [*vendors, *binds], HOME_COUNTRY: [*binds, *vendors]},
        numbers=[SHORT_CODE],
    )


def smpp(settings: Settings, name: str, script: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an SMPP carrier that binds to the simulator with this script."""
    own = {"retryable_codes": _RETRYABLE, "throttle_pause": 0.2}
    return {**smpp_settings(name, script, "127.0.0.1", settings.simulator_smpp_port), **own}


def gateway_url(settings: Settings) -> str:
    """Return the gateway's URL on this machine."""
    host = "127.0.0.1" if settings.gateway_host in _ANYWHERE else settings.gateway_host
    return f"http://[{host}]:{settings.gateway_port}" if ":" in host else f"http://{host}:{settings.gateway_port}"


def _carrier(settings: Settings, name: str, script: Mapping[str, Any]) -> dict[str, Any]:
    token = script.get("receipts", {}).get("token", "")
    return {
        "base_url": f"http://127.0.0.1:{settings.simulator_port}",
        "receipt_url": f"{gateway_url(settings)}/receipts/{name}",
        **({"receipt_token": token} if token else {}),
    }


def _is_smsc(script: Mapping[str, object]) -> bool:
    return "smpp" in script


def _mapping(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}; delete it and it is written again") from None
