"""Sends a mobile-originated (MO) message through the simulator."""

import json
from urllib.request import Request, urlopen

from pipeline.settings import Settings


def write(settings: Settings, carrier: str, phone: str, to: str, text: str) -> None:
    """Send an MO message from that phone to a sender, through a simulated carrier."""
    url = f"http://127.0.0.1:{settings.simulator_port}/{carrier}/inbound"
    request = Request(url, json.dumps({"from": phone, "to": to, "text": text}).encode(), method="POST")
    urlopen(request, timeout=10).close()  # noqa: S310
