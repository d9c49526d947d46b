"""Who brings the simulator's delivery reports: on their minute, many in one request, again when they are not taken."""

import asyncio
import json
import time
from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import count

from pipeline.carriers.http1 import Address, ConnectionPool, HttpResponse, request

#: seconds between two rounds; reports that fall due in between travel together
ROUND = 0.02
#: reports one request may hold
LOAD = 100
#: requests under way to one URL
WINDOW = 8
#: seconds to wait after each failure; after the last the reports are given up
BACKOFF = (0.25, 0.5, 1.0, 2.0, 4.0)

#: where reports go, and the token that goes with them
Connection = tuple[str, str]
Report = Mapping[str, str | None]


class ReceiptPoster:
    """Holds reports until they are due and brings them."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Connection, Report]] = []
        self._number = count()
        self._lanes: dict[Connection, ConnectionPool] = {}
        self._windows: dict[Connection, asyncio.Semaphore] = {}
        self._walks: set[asyncio.Task[None]] = set()
        self.taken = 0
        self.given_up = 0

    def plan(self, due: float, url: str, token: str, report: Report) -> None:
        """Bring the report to the URL at `due`, in seconds since 1970."""
        heappush(self._due, (due, next(self._number), (url, token), report))

    def stats(self) -> dict[str, int]:
        """Return how many reports wait, were taken, were given up."""
        return {"waiting": len(self._due), "taken": self.taken, "given_up": self.given_up}

    async def walk(self) -> None:
        """Bring what falls due, for ever."""
        try:
            while True:
                await asyncio.sleep(ROUND)
                for door, reports in self._loads(time.time()):
                    walk = asyncio.create_task(self._bring(door, reports))
                    self._walks.add(walk)
                    walk.add_done_callback(self._walks.discard)
        finally:
            await self._go_home()

    def _loads(self, now: float) -> list[tuple[Connection, list[Report]]]:
        by_connection: dict[Connection, list[Report]] = {}
        while self._due and self._due[0][0] <= now:
            _, _, door, report = heappop(self._due)
            by_connection.setdefault(door, []).append(report)
        return [(door, all_[i : i + LOAD]) for door, all_ in by_connection.items() for i in range(0, len(all_), LOAD)]

    async def _bring(self, door: Connection, reports: list[Report]) -> None:
        url, token = door
        try:
            address = Address.parse(url)
            head = address.head({"authorization": f"Bearer {token}" if token else ""})
        except ValueError:
            self.given_up += len(reports)
            return
        if door not in self._lanes:
            self._lanes[door] = ConnectionPool(address, window=1, connect_timeout=3, deadline=10, call_deadline=20)
            self._windows[door] = asyncio.Semaphore(WINDOW)
        whole = request(head, json.dumps(reports if len(reports) > 1 else reports[0]).encode())
        for pause in (*BACKOFF, None):
            async with self._windows[door]:
                [result] = await self._lanes[door].post([whole])
            if isinstance(result, HttpResponse) and 200 <= result.status < 300:
                self.taken += len(reports)
                return
            if pause is not None:
                await asyncio.sleep(pause)
        self.given_up += len(reports)

    async def _go_home(self) -> None:
        for walk in self._walks:
            walk.cancel()
        await asyncio.gather(*self._walks, return_exceptions=True)
        for lanes in self._lanes.values():
            await lanes.close()
