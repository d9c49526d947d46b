"""The doors: single messages over HTTP in each dialect, delivered and recorded; a large one; an empty handler."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import psycopg

from pipeline.dialects.registry import DIALECTS
from pipeline.runtime import Runtime
from pipeline.stages.admin import administer
from pipeline.stages.admin.api_keys import issue
from pipeline.stages.admin.person_import import add_person
from workers.lab.bench import cost
from workers.lab.bench.bench_processes import BenchProcess, gateway, roots_of, wait
from workers.lab.bench.http_load import LoadResult, call
from workers.lab.bench.latency import spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import ACCOUNT, SENDER, BenchSetup, value

#: calls before the clock starts, as a share of those that count
_WARM_UP = 0.3

_TEXT = "Your account statement for July has been generated. Please log in to view it."
#: whom Solaris's door sends to
_PERSON = "benchcper"
_DONE = "SELECT count(*) = %s AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done') FROM requests"
_ASKED = "SELECT count(*) FROM requests"
_LAST = "SELECT extract(epoch FROM max(recorded_at))::float8 FROM provider_attempts"
_ATTEMPTS = "SELECT count(*) FROM provider_attempts WHERE outcome = 'accepted'"


@dataclass(frozen=True, slots=True)
class Speaker:
    """How one dialect's calls are made."""

    path: str
    headers: Mapping[str, str]
    #: the body that sends to a number
    body: Callable[[str], bytes]

    def requests(self, numbers: Iterator[str], count: int) -> list[bytes]:
        """Return so many requests, each to a number of its own."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: bench\r\n"
        head += "".join(f"{name}: {word}\r\n" for name, word in self.headers.items())
        made = []
        for _ in range(count):
            body = self.body(next(numbers))
            made.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return made


def measure(
    setup: BenchSetup, plan: BenchPlan, processes: Sequence[BenchProcess], pool: ProcessPoolExecutor
) -> dict[str, Any]:
    """Call each door; return rates, times and costs, beside those of calls that ask for nothing."""
    with setup.connect() as conn, gateway(setup, plan.gateways) as (door, port):
        bench = _Bench(setup, plan, conn, pool, port, [door, *processes], _numbers(), value(conn, _ASKED))
        speakers = _speakers(setup, port)
        nothing = Speaker("/nothing", {"Content-Type": "application/json"}, _json_of("to", "text"))
        result: dict[str, Any] = {"empty_handler": bench.empty(nothing)}
        for dialect, speaker in speakers.items():
            result[dialect] = bench.door(speaker)
        result["webex_large"] = bench.large(speakers["webex"])
        return result


@dataclass(slots=True)
class _Bench:
    """What calling takes."""

    setup: BenchSetup
    plan: BenchPlan
    conn: "psycopg.Connection[Any]"
    pool: ProcessPoolExecutor
    port: int
    processes: list[BenchProcess]
    numbers: Iterator[str]
    #: requests written so far
    asked: int

    def empty(self, speaker: Speaker) -> dict[str, Any]:
        """Return how many calls a second are answered with nothing."""
        load_result = self._call(speaker, self.plan.calls)
        return {"calls_a_second": _rate(load_result)}

    def door(self, speaker: Speaker) -> dict[str, Any]:
        """Return what one dialect's single messages come to."""
        self._carry(speaker, round(self.plan.calls * _WARM_UP))
        roots = roots_of(self.setup, self.processes)
        before, reading = value(self.conn, _ATTEMPTS), cost.read(roots)
        load_result, done = self._carry(speaker, self.plan.calls)
        spent = cost.since(reading, roots, {"caller": load_result.cpu})
        sent = value(self.conn, _ATTEMPTS) - before
        rate, calls = self.plan.steady
        steady, _ = self._carry(speaker, calls, rate)
        return {
            "calls": self.plan.calls,
            "statuses": dict(load_result.statuses),
            "accepted_a_second": _rate(load_result),
            "delivered": sent,
            "delivered_a_second": round(sent / (done - load_result.began)),
            "answered_in_ms": spread(load_result.took),
            f"answered_in_ms_at_{rate}_a_second": spread(steady.took),
            "cpu_us_a_message": {name: round(seconds / sent * 1e6, 1) for name, seconds in spent.cpu.items()},
            "cores": spent.cores,
        }

    def large(self, speaker: Speaker) -> dict[str, Any]:
        """Return how long requests of ten thousand numbers take to be answered."""
        recipients, calls = self.plan.large
        body = json.loads(speaker.body("+0"))
        large = Speaker(
            speaker.path,
            speaker.headers,
            lambda _: json.dumps(body | {"to": [{"phone": [next(self.numbers) for _ in range(recipients)]}]}).encode(),
        )
        load_result, _ = self._carry(large, calls, connections=1)
        return {
            "recipients": recipients,
            "statuses": dict(load_result.statuses),
            "answered_in_ms": spread(load_result.took),
        }

    def _carry(self, speaker: Speaker, count: int, rate: float = 0.0, connections: int = 0) -> tuple[LoadResult, float]:
        """Call, and wait until all of it is delivered; return what was heard and when the last was recorded."""
        load_result = self._call(speaker, count, rate, connections)
        self.asked += sum(count for status, count in load_result.statuses.items() if status < 300)
        wait(lambda: value(self.conn, _DONE, self.asked), self.processes, timeout=300)
        return load_result, float(value(self.conn, _LAST))

    def _call(self, speaker: Speaker, count: int, rate: float = 0.0, connections: int = 0) -> LoadResult:
        requests = speaker.requests(self.numbers, count)
        return self.pool.submit(call, self.port, requests, connections or self.plan.connections, rate).result()


def _rate(load_result: LoadResult) -> int:
    return round(len(load_result.took) / (load_result.ended - load_result.began))


def _numbers() -> Iterator[str]:
    return (f"+2348031{number:06}" for number in range(1_000_000))


def _speakers(setup: BenchSetup, port: int) -> dict[str, Speaker]:
    """Return how each dialect is spoken, with a new key that no limit holds back."""
    rt = Runtime(setup.settings())
    add_person(rt, ACCOUNT, _PERSON, "+2348031999999", verified=True)
    unlimited = {"rate": 1_000_000, "burst": 1_000_000}
    to_one = {"solaris": {"recipient_burst": 1_000_000, "recipient_seconds": 1}}
    keys = {
        dialect: issue(rt, ACCOUNT, DIALECTS[dialect], settings=unlimited | to_one.get(dialect, {})).credentials
        for dialect in DIALECTS
    }
    administer.set_price(rt, "*", "EUR", 9, ACCOUNT)
    rt.close()
    json_ = {"Content-Type": "application/json"}
    customer = f"{keys['telesign']['customer_id']}:{keys['telesign']['api_key']}"
    return {
        "solaris": Speaker(
            "/solaris/v1/sms/messages",
            {"Authorization": f"Bearer {_token(port, keys['solaris'])}", **json_},
            lambda _: json.dumps(
                {"person_id": _PERSON, "text": _TEXT, "purpose": "bench", "idempotency_key": str(uuid4())}
            ).encode(),
        ),
        "robase": Speaker(
            "/robase/v1/sms",
            {"Authorization": f"Bearer {keys['robase']['api_key']}", **json_},
            lambda number: json.dumps({"to": number, "from": SENDER, "body": _TEXT}).encode(),
        ),
        "telesign": Speaker(
            "/telesign/v1/verify/sms",
            {
                "Authorization": f"Basic {base64.b64encode(customer.encode()).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            lambda number: f"phone_number={number[1:]}".encode(),
        ),
        "webex": Speaker(
            "/webex/v1/sms",
            {"X-AUTH-KEY": keys["webex"]["access_token"], **json_},
            lambda number: json.dumps({"message_body": _TEXT, "from": SENDER, "to": [{"phone": [number]}]}).encode(),
        ),
    }


def _token(port: int, client: Mapping[str, str]) -> str:
    """Return a bearer token of Solaris's door."""
    words = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    request = Request(
        f"http://127.0.0.1:{port}/solaris/oauth2/token",
        b"grant_type=client_credentials&scope=partners",
        {"Authorization": f"Basic {words}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    with urlopen(request, timeout=20) as answer:  # noqa: S310
        return str(json.load(answer)["access_token"])


def _json_of(*names: str) -> Callable[[str], bytes]:
    return lambda number: json.dumps(dict.fromkeys(names, number)).encode()
