"""Posts the simulator's receipts over HTTP when they are due, many in one request, with retries."""

import asyncio
import json
import time
from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import count

from pipeline.carriers.http1 import Address, ConnectionPool, HttpResponse, request

#: seconds between two rounds; reports that fall due in between share a request
ROUND = 0.02
#: most reports of one request
BATCH = 100
#: concurrent requests to one URL
WINDOW = 8
#: seconds to wait after each failure; after the last the reports are dropped
BACKOFF = (0.25, 0.5, 1.0, 2.0, 4.0)

#: a receipt URL and its bearer token
Target = tuple[str, str]
Report = Mapping[str, str | None]


class ReceiptPoster:
    """Holds reports until they are due and posts them."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Target, Report]] = []
        self._number = count()
        self._pools: dict[Target, ConnectionPool] = {}
        self._windows: dict[Target, asyncio.Semaphore] = {}
        self._posts: set[asyncio.Task[None]] = set()
        self.taken = 0
        self.given_up = 0

    def plan(self, due: float, url: str, token: str, report: Report) -> None:
        """Post the report to the URL at `due`, in seconds since 1970."""
        heappush(self._due, (due, next(self._number), (url, token), report))

    def stats(self) -> dict[str, int]:
        """Return how many reports wait, were accepted, were dropped."""
        return {"waiting": len(self._due), "taken": self.taken, "given_up": self.given_up}

    async def run(self) -> None:
        """Post due reports, for ever."""
        try:
            while True:
                await asyncio.sleep(ROUND)
                for target, reports in self._batches(time.time()):
                    post = asyncio.create_task(self._post(target, reports))
                    self._posts.add(post)
                    post.add_done_callback(self._posts.discard)
        finally:
            await self._close()

    def _batches(self, now: float) -> list[tuple[Target, list[Report]]]:
        by_target: dict[Target, list[Report]] = {}
        while self._due and self._due[0][0] <= now:
            _, _, target, report = heappop(self._due)
            by_target.setdefault(target, []).append(report)
        return [(target, all_[i : i + BATCH]) for target, all_ in by_target.items() for i in range(0, len(all_), BATCH)]

    async def _post(self, target: Target, reports: list[Report]) -> None:
        url, token = target
        try:
            address = Address.parse(url)
            head = address.head({"authorization": f"Bearer {token}" if token else ""})
        except ValueError:
            self.given_up += len(reports)
            return
        if target not in self._pools:
            self._pools[target] = ConnectionPool(address, window=1, connect_timeout=3, deadline=10, call_deadline=20)
            self._windows[target] = asyncio.Semaphore(WINDOW)
        whole = request(head, json.dumps(reports if len(reports) > 1 else reports[0]).encode())
        for pause in (*BACKOFF, None):
            async with self._windows[target]:
                [result] = await self._pools[target].post([whole])
            if isinstance(result, HttpResponse) and 200 <= result.status < 300:
                self.taken += len(reports)
                return
            if pause is not None:
                await asyncio.sleep(pause)
        self.given_up += len(reports)

    async def _close(self) -> None:
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)
        for pool in self._pools.values():
            await pool.close()
