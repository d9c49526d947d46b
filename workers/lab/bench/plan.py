"""What a bench is asked to measure."""

from dataclasses import dataclass
from typing import Literal

#: what can be measured, in this order
PARTS = ("road", "lane", "ceiling", "clock", "doors")


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """How much of everything; the defaults are those of `postroad bench`."""

    messages: int = 50_000
    #: recipients an order
    batch: int = 1000
    #: children of the worker process
    children: int = 3
    carrier: Literal["simulated", "http", "smpp"] = "simulated"
    #: host and port of an SMSC of somebody else's, in place of our simulator; "": ours
    smsc: str = ""
    #: whether the SMSC reports each message, and the road goes on until all are settled
    receipts: bool = False
    parts: tuple[str, ...] = PARTS
    #: messages that wait for their minute while the clock is measured
    scheduled: int = 1_000_000
    #: codes sent one at a time, alone and then beside bulk
    codes: int = 300
    #: seconds from one code to the next: not less and not more
    pauses: tuple[float, float] = (0.05, 0.1)
    #: messages a second offered beside the codes, and seconds of them before the first code: they are in full flow then
    beside: int = 5000
    ahead: float = 2
    #: single messages sent through each door, and processes of the gateway
    calls: int = 20_000
    gateways: int = 2
    #: connections that call
    connections: int = 512
    #: calls a second at which an answer's time is taken, and how many
    steady: tuple[int, int] = (1000, 5000)
    #: recipients of a large request, and how many of those
    large: tuple[int, int] = (10_000, 5)
    #: ticks of an idle clock
    ticks: int = 200

    @property
    def orders(self) -> int:
        """How many orders the road is given."""
        return max(1, round(self.messages / self.batch))
