"""The bench part `doors`: the HTTP APIs with single messages, large requests, and an empty handler for comparison."""

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
from pipeline.stages.admin.api_keys import issue
from pipeline.stages.admin.person_import import add_person
from pipeline.stages.admin.prices import set_price
from workers.lab.bench import cost
from workers.lab.bench.bench_processes import BenchProcess, gateway, roots_of, wait
from workers.lab.bench.http_load import LoadResult, call
from workers.lab.bench.latency import spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import ACCOUNT, SENDER, BenchSetup, value

#: warm-up calls, as a share of the measured ones
_WARM_UP = 0.3

_TEXT = "Your account statement for July has been generated. Please log in to view it."
#: the recipient of Solaris's API
_PERSON = "benchcper"
_DONE = "SELECT count(*) = %s AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done') FROM requests"
_REQUESTS = "SELECT count(*) FROM requests"
_LAST = "SELECT extract(epoch FROM max(recorded_at))::float8 FROM provider_attempts"
_ATTEMPTS = "SELECT count(*) FROM provider_attempts WHERE outcome = 'accepted'"


@dataclass(frozen=True, slots=True)
class ApiClient:
    """How one dialect's requests are made."""

    path: str
    headers: Mapping[str, str]
    #: returns the body that sends to a number
    body: Callable[[str], bytes]

    def requests(self, numbers: Iterator[str], count: int) -> list[bytes]:
        """Return `count` requests, each to another number."""
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
    """Call each API; return rates, times and CPU, beside those of an empty handler."""
    with setup.connect() as conn, gateway(setup, plan.gateways) as (process, port):
        bench = _Bench(setup, plan, conn, pool, port, [process, *processes], _numbers(), value(conn, _REQUESTS))
        clients = _clients(setup, port)
        nothing = ApiClient("/nothing", {"Content-Type": "application/json"}, _json_of("to", "text"))
        result: dict[str, Any] = {"empty_handler": bench.empty(nothing)}
        for dialect, client in clients.items():
            result[dialect] = bench.api(client)
        result["webex_large"] = bench.large(clients["webex"])
        return result


@dataclass(slots=True)
class _Bench:
    """The state of one measurement of the APIs."""

    setup: BenchSetup
    plan: BenchPlan
    conn: "psycopg.Connection[Any]"
    pool: ProcessPoolExecutor
    port: int
    processes: list[BenchProcess]
    numbers: Iterator[str]
    #: requests accepted so far
    accepted: int

    def empty(self, client: ApiClient) -> dict[str, Any]:
        """Return the rate of calls to a path that is answered 404."""
        load = self._call(client, self.plan.calls)
        return {"calls_a_second": _rate(load)}

    def api(self, client: ApiClient) -> dict[str, Any]:
        """Return the figures of one dialect's single messages."""
        self._run(client, round(self.plan.calls * _WARM_UP))
        roots = roots_of(self.setup, self.processes)
        before, reading = value(self.conn, _ATTEMPTS), cost.read(roots)
        load, done = self._run(client, self.plan.calls)
        spent = cost.since(reading, roots, {"caller": load.cpu})
        sent = value(self.conn, _ATTEMPTS) - before
        rate, calls = self.plan.steady
        steady, _ = self._run(client, calls, rate)
        return {
            "calls": self.plan.calls,
            "statuses": dict(load.statuses),
            "accepted_a_second": _rate(load),
            "delivered": sent,
            "delivered_a_second": round(sent / (done - load.began)),
            "answered_in_ms": spread(load.took),
            f"answered_in_ms_at_{rate}_a_second": spread(steady.took),
            "cpu_us_a_message": {name: round(seconds / sent * 1e6, 1) for name, seconds in spent.cpu.items()},
            "cores": spent.cores,
        }

    def large(self, client: ApiClient) -> dict[str, Any]:
        """Return the response times of requests with ten thousand numbers."""
        recipients, calls = self.plan.large
        body = json.loads(client.body("+0"))
        large = ApiClient(
            client.path,
            client.headers,
            lambda _: json.dumps(body | {"to": [{"phone": [next(self.numbers) for _ in range(recipients)]}]}).encode(),
        )
        load, _ = self._run(large, calls, connections=1)
        return {
            "recipients": recipients,
            "statuses": dict(load.statuses),
            "answered_in_ms": spread(load.took),
        }

    def _run(self, client: ApiClient, count: int, rate: float = 0.0, connections: int = 0) -> tuple[LoadResult, float]:
        """Call, and wait until all is delivered; return the responses and when the last attempt was recorded."""
        load = self._call(client, count, rate, connections)
        self.accepted += sum(count for status, count in load.statuses.items() if status < 300)
        wait(lambda: value(self.conn, _DONE, self.accepted), self.processes, timeout=300)
        return load, float(value(self.conn, _LAST))

    def _call(self, client: ApiClient, count: int, rate: float = 0.0, connections: int = 0) -> LoadResult:
        requests = client.requests(self.numbers, count)
        return self.pool.submit(call, self.port, requests, connections or self.plan.connections, rate).result()


def _rate(load: LoadResult) -> int:
    return round(len(load.took) / (load.ended - load.began))


def _numbers() -> Iterator[str]:
    return (f"+2348031{number:06}" for number in range(1_000_000))


def _clients(setup: BenchSetup, port: int) -> dict[str, ApiClient]:
    """Return each dialect's client, with a new key without rate limits."""
    rt = Runtime(setup.settings())
    add_person(rt, ACCOUNT, _PERSON, "+2348031999999", verified=True)
    unlimited = {"rate": 1_000_000, "burst": 1_000_000}
    to_one = {"solaris": {"recipient_burst": 1_000_000, "recipient_seconds": 1}}
    keys = {
        dialect: issue(rt, ACCOUNT, DIALECTS[dialect], settings=unlimited | to_one.get(dialect, {})).credentials
        for dialect in DIALECTS
    }
    set_price(rt, "*", "EUR", 9, ACCOUNT)
    rt.close()
    json_ = {"Content-Type": "application/json"}
    customer = f"{keys['telesign']['customer_id']}:{keys['telesign']['api_key']}"
    return {
        "solaris": ApiClient(
            "/solaris/v1/sms/messages",
            {"Authorization": f"Bearer {_token(port, keys['solaris'])}", **json_},
            lambda _: json.dumps(
                {"person_id": _PERSON, "text": _TEXT, "purpose": "bench", "idempotency_key": str(uuid4())}
            ).encode(),
        ),
        "robase": ApiClient(
            "/robase/v1/sms",
            {"Authorization": f"Bearer {keys['robase']['api_key']}", **json_},
            lambda number: json.dumps({"to": number, "from": SENDER, "body": _TEXT}).encode(),
        ),
        "telesign": ApiClient(
            "/telesign/v1/verify/sms",
            {
                "Authorization": f"Basic {base64.b64encode(customer.encode()).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            lambda number: f"phone_number={number[1:]}".encode(),
        ),
        "webex": ApiClient(
            "/webex/v1/sms",
            {"X-AUTH-KEY": keys["webex"]["access_token"], **json_},
            lambda number: json.dumps({"message_body": _TEXT, "from": SENDER, "to": [{"phone": [number]}]}).encode(),
        ),
    }


def _token(port: int, client: Mapping[str, str]) -> str:
    """Return a bearer token of Solaris's API."""
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
