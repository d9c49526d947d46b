"""Producer processes that submit realistic orders by `workers.producer.submit`, at full speed or at a rate."""

import itertools
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schema.order import Order
from workers.lab.bench.setup import ACCOUNT, CODES_TO, SENDER
from workers.producer import producer, submit

#: one or two parts, GSM-7 and UCS-2
_TEXTS = (
    "${name}, your account statement for July has been generated. Please log in to view it.",
    "Hi ${name}, your ride arrives at ${city} at 9:40. Reply STOP to opt out.",
    "${name}: a purchase of €48.20 at ${city} was made with your card ending 4417. Not you? Call us at once.",
    "Γεια σου ${name}, η παραγγελία σου από ${city} είναι καθ' οδόν.",
    """\
Dear ${name}, the minimum amount of 1,250.00 on your credit card is due on Friday. Pay in the app, by bank transfer or
at any of our branches in ${city}; if you have paid already, please disregard this message. Thank you.""",
)
_NAMES = ("Ada", "Ngozi", "Grace", "Lena", "Søren", "Amit", "Eleni", "Chidi", "Marta", "John")
_CITIES = ("Lagos", "Nairobi", "London", "Berlin", "Pune", "Athens", "Boston")
#: prefixes of mobile numbers by country, which counted digits complete
_RANGES = ("+23480312", "+447400", "+49151234", "+25471234", "+91987654", "+30691234", "+1617555")
_LENGTHS = {"+23480312": 14, "+447400": 13, "+49151234": 14, "+25471234": 13, "+91987654": 13, "+30691234": 13}


@dataclass(frozen=True, slots=True)
class Submitted:
    """The requests that one producer submitted."""

    #: request → submit time, in seconds since 1970 by the producer's clock
    at: dict[UUID, float]
    #: CPU seconds in `submit`
    cpu: float


@contextmanager
def producers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of that many producer processes."""
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def submit_all(broker_url: str, orders: Sequence[dict[str, Any]], pauses: tuple[float, float] = (0, 0)) -> Submitted:
    """Submit orders, prepared before the clock starts, with pauses between a least and a greatest number of seconds."""
    app = producer(broker_url)
    made = [Order.model_validate(order) for order in orders]
    at: dict[UUID, float] = {}
    due = time.monotonic()
    began = time.process_time()
    for order in made:
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.time()
        at[submit(order, app=app)] = now
        due += random.uniform(*pauses)
    return Submitted(at, time.process_time() - began)


def bulk(count: int, size: int) -> list[dict[str, Any]]:
    """Return `count` campaign orders of `size` recipients, for several countries, each number once."""
    numbers = itertools.count()
    texts = itertools.cycle(_TEXTS)
    return [_order("bulk", next(texts), [_recipient(next(numbers)) for _ in range(size)]) for _ in range(count)]


def codes(count: int) -> list[dict[str, Any]]:
    """Return `count` orders of one one-time password each."""
    return [
        _order(
            "otp", "${code} is your code. Do not share it.", [{"to": f"{CODES_TO}82{n:07}", "merge": {"code": str(n)}}]
        )
        for n in range(100_000, 100_000 + count)
    ]


def _order(message_class: str, text: str, recipients: list[dict[str, Any]]) -> dict[str, Any]:
    return {"account": ACCOUNT, "sender": SENDER, "class": message_class, "body": text, "recipients": recipients}


def _recipient(n: int) -> dict[str, Any]:
    start = _RANGES[n % len(_RANGES)]
    digits = _LENGTHS.get(start, 12) - len(start)
    return {
        "to": f"{start}{n // len(_RANGES) % 10**digits:0{digits}}",
        "merge": {"name": _NAMES[n % len(_NAMES)], "city": _CITIES[n // 7 % len(_CITIES)]},
        "correlation_id": f"c-{n}",
    }
