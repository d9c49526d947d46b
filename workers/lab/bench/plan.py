"""The plan of a bench: which parts to measure, with how many messages."""

from dataclasses import dataclass
from typing import Literal

#: the parts, in the order in which they run
PARTS = ("road", "lane", "ceiling", "clock", "doors", "campaign")


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """The sizes of a bench; the defaults are those of `postroad bench`."""

    messages: int = 50_000
    #: recipients per order
    batch: int = 1000
    #: children of the worker process
    children: int = 3
    carrier: Literal["simulated", "http", "smpp"] = "simulated"
    #: host and port of a foreign SMSC; "": our simulator
    smsc: str = ""
    #: whether the SMSC sends receipts, and `road` lasts until all are settled
    receipts: bool = False
    parts: tuple[str, ...] = PARTS
    #: scheduled messages of the part `clock`
    scheduled: int = 1_000_000
    #: one-time passwords sent one at a time, alone and then beside bulk
    codes: int = 300
    #: least and greatest seconds from one of them to the next
    pauses: tuple[float, float] = (0.05, 0.1)
    #: bulk messages per second offered beside them, and seconds by which bulk starts earlier
    beside: int = 5000
    ahead: float = 2
    #: single messages sent through each API, and processes of the gateway
    calls: int = 20_000
    gateways: int = 2
    #: concurrent connections
    connections: int = 512
    #: calls per second at which response times are measured, and their number
    steady: tuple[int, int] = (1000, 5000)
    #: recipients of a large request, and the number of such requests
    large: tuple[int, int] = (10_000, 5)
    #: rows of a campaign, and how often another one is paused
    rows: int = 100_000
    campaign_pauses: int = 5
    #: ticks of an idle clock
    ticks: int = 200

    @property
    def orders(self) -> int:
        """Return the number of bulk orders."""
        return max(1, round(self.messages / self.batch))
