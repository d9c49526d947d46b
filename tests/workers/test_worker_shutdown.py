"""The shutdown of a worker: messages in flight are recorded, the rest waits for the next worker."""

import tempfile
import time
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from pipeline.stages.admin.audit import audit
from tests.broker import redis_channel
from tests.workers.conftest import Eventually, Site

PEOPLE = [f"+23480{n:08}" for n in range(200)]


def test_a_worker_finishes_its_portion_on_shutdown_and_releases_the_batch(site: Site, eventually: Eventually) -> None:
    site.world.add_carrier("alpha", {"latency_ms": 1000})
    site.start_worker(POSTROAD_PORTION_SIZE="10")
    request = site.submit(*PEOPLE)
    eventually(lambda: site.world.rows("SELECT count(*) FROM messages WHERE status = 'sent'")[0] > 0)

    asked = time.monotonic()
    site.stop()
    took = time.monotonic() - asked

    assert took < 10
    assert site.world.rows("SELECT status, lease_until FROM batches") == [("queued", None)]
    assert set(site.world.rows("SELECT outcome FROM provider_attempts")) == {"accepted"}
    site.world.add_carrier("alpha")
    site.start_worker()
    eventually(lambda: set(site.statuses(request)) == {"sent"})
    assert site.world.rows("SELECT outcome, count(*) FROM provider_attempts GROUP BY 1") == [("accepted", 200)]
    assert [finding for finding in audit(site.rt) if finding.broken] == []


def test_unacknowledged_orders_that_cannot_be_restored_are_not_dumped_to_a_file(
    quiet: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    quiet.submit(*PEOPLE[:1])
    with quiet.broker() as connection:
        channel = redis_channel(connection)
        assert channel.basic_get("ingest") is not None
        channel.client.set("unacked", "no hash")

        with pytest.raises(ResponseError):
            channel.qos.restore_unacked_once()

        channel.client.delete("unacked")
        channel.qos.restore_at_shutdown = False  # the connection's end would try once more
    assert list(tmp_path.iterdir()) == []
