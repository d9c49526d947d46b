"""The view of the broker: whether it answers, and which workers do."""

import redis

from workers.broker.broker_view import view_broker
from workers.lab.embedded import development


def test_the_broker_answers_though_it_has_closed_the_connection_that_this_process_kept(
    pair: development.EmbeddedServers,
) -> None:
    url = pair.broker_url.rpartition("/")[0] + "/13"
    before = view_broker(url, {})
    with redis.Redis.from_url(url) as valkey:
        own = valkey.client_id()
        kept = [each["id"] for each in valkey.client_list() if each["db"] == "13" and int(each["id"]) != own]
        for each in kept:
            valkey.client_kill_filter(_id=each)

    after = view_broker(url, {})

    assert kept
    assert (before.is_up, after.is_up) == (True, True)
    assert after.workers == {"worker": 0, "lane": 0, "clock": 0}


def test_a_broker_that_is_not_there_does_not_answer() -> None:
    assert not view_broker("redis://127.0.0.1:1/0", {}).is_up
