"""The clock as the Procfile starts it: ticks go on beside the maintenance and the audit."""

import time
from datetime import UTC, datetime, timedelta

from pipeline.store import audit_findings
from tests.workers.conftest import Eventually, Site
from workers.processes.heartbeat_file import records


def test_ticks_go_on_while_the_audit_after_the_maintenance_runs(site: Site, eventually: Eventually) -> None:
    site.start_line("clock")
    later = datetime.now(UTC) + timedelta(hours=1)
    site.world.pay(site.world.submit(site.world.order(send_at=later)))
    site.world.run("UPDATE batches SET due_at = now() - interval '1 hour', send_at = NULL")

    # the audit reads the wallets; neither the maintenance nor the tick does
    with site.rt.begin() as conn:
        conn.exec_driver_sql("LOCK TABLE wallets IN ACCESS EXCLUSIVE MODE")
        site.producer.send_task("sms.maintenance", queue="maintenance")
        eventually(lambda: site.world.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") != [0])
        site.producer.send_task("sms.promote", queue="clock")
        eventually(lambda: site.world.rows("SELECT status FROM batches") == ["queued"])
        since = time.monotonic()
        eventually(lambda: [each.worked_at > since for each in records(site.folder, "clock")] == [True])
        assert last_audit(site) is None

    site.producer.send_task("sms.audit", queue="maintenance")  # if the first waited too long
    eventually(lambda: last_audit(site) is not None)


def last_audit(site: Site) -> audit_findings.LastAudit | None:
    with site.rt.read_only() as conn:
        return audit_findings.last(conn)
