import time
from tests.journeys.installation import Installation, wait_for
def test_lag(installation):
    installation.play(alpha={"latency_ms": 3000})
    installation.start(POSTROAD_STALE_SECONDS="600")
    installation.await_ready()
    installation.submit(*(installation.order(1, **{"class": "otp"}) for _ in range(60)))
    time.sleep(8)
    for r in installation.rows("SELECT created_at::time::text, due_at::time::text, queued_at::time::text, hinted_at::time::text, fence, attempt, (select marked_at::time::text from provider_attempts a where a.batch_id=b.id), status from batches b order by 1")[::6]: print(r)
    print(installation.said("lane")[-600:])
