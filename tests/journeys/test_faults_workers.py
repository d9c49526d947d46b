"""Workers die, freeze and are told to go, in the middle of a batch."""

import random
import time

from tests.journeys.installation import Installation, wait_for

def test_a_quiet_campaign(installation: Installation) -> None:
    t=time.time()
    installation.play(alpha={"latency_ms": 20})
    installation.start()
    installation.await_ready()
    print("ready", time.time()-t)
    installation.campaign(4, 1000)
    print("written", time.time()-t)
    v = installation.all_is_well()
    print("well", time.time()-t)
    assert v.unknown == 0
    print(installation.stop("worker"), time.time()-t)
