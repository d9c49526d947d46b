"""The window of a webhook endpoint shrinks while it fails, and those of others do not."""

from uuid import UUID

import pytest

from workers.webhooks.endpoint_window import LONGEST_REST, EndpointWindows

ONE, OTHER = UUID(int=1), UUID(int=2)


def fail(windows: EndpointWindows, times: int) -> float:
    """Let calls fail one after the other, a second each; return the time then."""
    for second in range(times):
        windows.judge(ONE, False, began=second, now=second + 0.5)
    return times - 0.5


def test_an_endpoint_without_calls_has_its_full_window() -> None:
    assert EndpointWindows(8).rooms(0) == {}


def test_open_calls_use_the_window_of_their_own_endpoint() -> None:
    windows = EndpointWindows(8)
    windows.begin(ONE)
    windows.begin(ONE)
    windows.begin(OTHER)

    assert (windows.total, windows.rooms(0)) == (3, {ONE: 6, OTHER: 7})
    windows.end(OTHER)
    assert windows.rooms(0) == {ONE: 6}


@pytest.mark.parametrize(("failures", "room"), [(1, 4), (2, 2)])
def test_the_window_of_a_failing_endpoint_is_halved(failures: int, room: int) -> None:
    windows = EndpointWindows(8)
    now = fail(windows, failures)

    assert windows.rooms(now) == {ONE: room}


@pytest.mark.parametrize(("failures", "rest"), [(3, 1), (4, 2), (5, 4), (40, LONGEST_REST)])
def test_an_endpoint_that_goes_on_failing_is_called_with_growing_pauses(failures: int, rest: float) -> None:
    windows = EndpointWindows(8)
    now = fail(windows, failures)

    assert windows.rooms(now + rest - 0.1) == {ONE: 0}
    assert windows.rooms(now + rest) == {ONE: 1}


def test_one_success_restores_the_full_window() -> None:
    windows = EndpointWindows(8)
    now = fail(windows, 9)
    windows.judge(ONE, True, now, now)

    assert windows.rooms(now) == {}


def test_concurrent_failed_calls_halve_the_window_once() -> None:
    windows = EndpointWindows(8)
    for _ in range(8):
        windows.judge(ONE, False, began=0.0, now=15.0)

    assert windows.rooms(15) == {ONE: 4}


def test_a_window_of_one_is_not_reduced() -> None:
    windows = EndpointWindows(1)
    now = fail(windows, 1)

    assert windows.rooms(now) == {ONE: 1}
