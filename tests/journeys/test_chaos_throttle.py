"""A carrier with a limit of 25 a second, and two accounts, one with ten times the batches (chaos plan, C10)."""

from collections import Counter
from statistics import mean, median
from typing import Any
from uuid import UUID

import pytest

from tests.journeys.installation import Installation, wait_for
from tests.journeys.simulated_carriers import PROCESSES, add_account, far_ends, undecided

#: what the carrier takes a second, and what its row says
LIMIT, PACE = 25, 24


def jain(shares: list[int]) -> float:
    """Return how equal shares are: 1 for all alike, 1/n where one has everything (Jain, Chiu and Hawe 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


@pytest.mark.parametrize(("kind", "many", "few"), [("smpp", (40, 5), (4, 50)), ("http", (10, 25), (1, 150))])
def test_the_rate_limit_of_a_carrier_is_fully_used_and_shared_equally_by_accounts(
    installation: Installation, kind: str, many: tuple[int, int], few: tuple[int, int]
) -> None:
    add_account(installation, "other")
    with far_ends(installation, kind, alpha={"limit_tps": LIMIT}):
        installation.world.run("UPDATE carriers SET segments_per_second = %(pace)s", pace=PACE)
        for account, (batches, size) in (("acme", many), ("other", few)):
            installation.submit(*(installation.order(size, account=account) for _ in range(batches)))
        installation.start(*PROCESSES)
        installation.await_ready()
        installation.await_written()
        # who is still being billed does not wait for the carrier: all of it does when that begins
        queued = "SELECT coalesce(sum(size), 0) FROM batches WHERE status = 'queued'"
        wait_for(lambda: installation.count(queued) == many[0] * many[1] + few[0] * few[1], why="all is queued")
        installation.start("carriers alpha")
        wait_for(lambda: undecided(installation) == 0, 60, why="all is sent")

    names: dict[Any, str] = dict(
        installation.rows("SELECT m.id, a.name FROM messages AS m JOIN accounts AS a ON a.id = m.account_id")
    )
    log = installation.log()
    taken = [(line["at"], names[UUID(line["ref"])]) for line in log if line["taken"]]
    assert len(taken) == len(names)
    assert len(log) - len(taken) <= 0.01 * len(log)

    # while both wait: from when both had a turn until one has nothing left
    times = [[at for at, who in taken if who == name] for name in ("acme", "other")]
    start, end = max(map(min, times)), min(map(max, times))
    assert jain([sum(start <= at <= end for at in own) for own in times]) >= 0.95

    # the first second may have what was saved up; in a stall of the machine, and just after, the limit is not at work
    seconds = Counter(int(at - taken[0][0]) for at, _ in taken)
    whole = sorted(seconds[second] for second in range(1, int(taken[-1][0] - taken[0][0])))
    assert len(whole) >= 14
    assert median(whole[len(whole) // 2 :]) >= 0.9 * LIMIT, whole
    assert median(whole) <= LIMIT, whole
    assert mean(whole) <= LIMIT, whole
