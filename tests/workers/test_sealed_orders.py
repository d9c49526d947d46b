"""Sealed orders: without an account's producer key they can be neither read nor forged at the broker."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from pipeline.runtime import Runtime
from pipeline.stages.admin import producer_keys
from pipeline.store import accounts
from schema.sealed_order import ProducerKey, SealBroken, key_of
from tests.forked_processes import ROOT
from tests.workers.conftest import Site
from workers.producer import producer, submit

SECRET = "a secret of these tests, long enough"
CODE = "471147"
ALL = "ingest,segment,bill,deliver,otp,clock"


@pytest.fixture(scope="module")
def installation(site: Site) -> Iterator[Runtime]:
    """The site's runtime, with its secret key; a worker runs that has it too."""
    with closing(Runtime(site.rt.settings.model_copy(update={"secret_key": SecretStr(SECRET)}))) as rt:
        yield rt


@pytest.fixture(scope="module")
def key(site: Site, installation: Runtime) -> str:
    """The key of the account `acme`, whose orders must be sealed."""
    made = producer_keys.create_key(installation, "acme")
    producer_keys.require_sealed(installation, "acme", True)
    return made


@pytest.fixture(scope="module")
def working(site: Site, key: str) -> Site:
    """The site, with a worker."""
    site.start_worker(queues=ALL, POSTROAD_SECRET_KEY=SECRET)
    return site


def payload(site: Site, task: str, **fields: Any) -> dict[str, Any]:
    written: dict[str, Any] = site.world.order(**fields).model_dump(mode="json", by_alias=True, exclude_none=True)
    return written


def publish(site: Site, order: Any, task: UUID, queue: str = "ingest") -> None:
    site.producer.send_task("sms.ingest", (order,), task_id=str(task), queue=queue, argsrepr="(<an order>)")


def refusals(site: Site, task: UUID) -> list[str]:
    return [each["code"] for each in site.answer(task).request["refusals"]]


def test_a_sealed_order_contains_no_plain_text_in_the_broker(quiet: Site) -> None:
    own = str(ProducerKey.make())

    submit(quiet.world.order(body=f"Your code is {CODE}", **{"class": "otp"}), app=quiet.producer, key=own)
    with redis.Redis.from_url(quiet.broker_url) as valkey:
        waiting = valkey.lrange("postroad:otp", 0, -1)

    assert isinstance(waiting, list)
    [message] = waiting
    body = base64.b64decode(json.loads(message)["body"])
    assert list(json.loads(body)[0][0]) == ["sealed"]
    for word in (CODE, "2348012345678", "acme"):
        assert word.encode() not in message + body


@pytest.mark.parametrize("message_class", ["otp", "transactional", "bulk"])
def test_a_sealed_order_is_accepted(working: Site, key: str, message_class: str) -> None:
    request = submit(working.world.order(**{"class": message_class}), app=working.producer, key=key)

    assert working.answer(request).request["refusals"] == []
    assert working.answer(request).request["accepted"] == 1


def test_an_unsealed_order_is_refused_if_its_account_requires_sealed_ones(working: Site) -> None:
    request = submit(working.world.order(), app=working.producer, key="")

    assert refusals(working, request) == ["unauthenticated"]


def test_a_sealed_order_is_refused_under_another_task_id(working: Site, key: str) -> None:
    """Whoever copies a sealed order out of the broker cannot have it sent a second time."""
    task, other = uuid4(), uuid4()
    order = ProducerKey.read(key).seal(str(task), payload(working, str(task)))

    publish(working, order, other)

    assert refusals(working, other) == ["unauthenticated"]


def test_a_producer_key_of_another_account_is_refused(working: Site, installation: Runtime, key: str) -> None:
    with installation.begin() as conn:
        accounts.create(conn, "other", "NGN")
    task, other = uuid4(), ProducerKey.read(producer_keys.create_key(installation, "other"))

    publish(working, other.seal(str(task), payload(working, str(task))), task)

    assert refusals(working, task) == ["unauthenticated"]


SPOILT: dict[str, Any] = {
    "no text": 7,
    "empty": "",
    "of no known form": "2.0123456789abcdef.AAAA",
    "of an unknown key": str(ProducerKey.make().seal("x", {})["sealed"]),
}


@pytest.mark.parametrize("sealed", SPOILT.values(), ids=SPOILT)
def test_an_unreadable_sealed_order_is_refused_and_the_worker_goes_on(working: Site, key: str, sealed: Any) -> None:
    task = uuid4()

    publish(working, {"sealed": sealed}, task)

    assert refusals(working, task) == ["unauthenticated"]
    assert working.alive


def test_a_sealed_order_with_additional_plain_fields_is_refused(working: Site, key: str) -> None:
    task = uuid4()
    sealed = ProducerKey.read(key).seal(str(task), payload(working, str(task)))

    publish(working, payload(working, str(task)) | sealed, task)

    assert refusals(working, task) == ["unauthenticated"]


def test_an_invalid_sealed_order_is_refused_with_the_field(working: Site, key: str) -> None:
    task = uuid4()
    order = payload(working, str(task)) | {"recipients": []}

    publish(working, ProducerKey.read(key).seal(str(task), order), task)

    [refusal] = working.answer(task).request["refusals"]
    assert refusal["field"] == "recipients"


def test_an_order_sealed_with_a_revoked_key_is_refused(working: Site, installation: Runtime) -> None:
    gone = producer_keys.create_key(installation, "acme")
    producer_keys.revoke_key(installation, "acme", ProducerKey.read(gone).id)
    task = uuid4()

    publish(working, ProducerKey.read(gone).seal(str(task), payload(working, str(task))), task)

    assert refusals(working, task) == ["unauthenticated"]


def test_the_format_of_a_sealed_order_is_the_documented_one() -> None:
    """As a producer in another language makes it: docs/sealed-orders.md."""
    key, task, order = ProducerKey.make(), str(uuid4()), {"account": "acme", "body": "Grüße"}
    nonce = os.urandom(12)
    content = nonce + AESGCM(key.secret).encrypt(nonce, json.dumps(order).encode(), task.encode())

    sealed = f"1.{key.id}." + base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    assert key_of({"sealed": sealed}) == key.id
    assert key.open(task, sealed) == order
    with pytest.raises(SealBroken):
        key.open(task, sealed[:-2] + ("AA" if sealed[-2:] != "AA" else "BB"))


@pytest.mark.parametrize("written", ["", "pk_", "rb_live_x", "pk_0123456789abcdef_" + "g" * 64])
def test_an_invalid_producer_key_is_refused_before_anything_is_sent(quiet: Site, written: str) -> None:
    with pytest.raises(ValueError, match="producer key"):
        ProducerKey.read(written)
    if written:
        with pytest.raises(ValueError, match="producer key"):
            submit(quiet.world.order(), app=quiet.producer, key=written)
    assert quiet.waiting("ingest") == []


MANUAL = (ROOT / "docs" / "sealed-orders.md").read_text()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_an_order_sealed_by_the_manual_s_javascript_can_be_opened() -> None:
    key, task, order = ProducerKey.make(), str(uuid4()), {"account": "acme", "body": "Grüße 👋"}
    [code] = re.findall(r"```js\n(.*?)```", MANUAL, re.DOTALL)
    call = f"{code}\nprocess.stdout.write(seal({json.dumps(str(key))}, {json.dumps(task)}, {json.dumps(order)}).sealed)"

    sealed = subprocess.run(["node", "-e", call], capture_output=True, text=True, timeout=60, check=True).stdout

    assert key.open(task, sealed) == order


def test_a_producer_with_the_documented_acl_can_send_and_cannot_read(quiet: Site) -> None:
    with redis.Redis.from_url(quiet.broker_url) as valkey:
        [acl] = re.findall(r"^user producer (.*)$", MANUAL, re.MULTILINE)
        valkey.execute_command("ACL", "SETUSER", "producer", *acl.replace("PASSWORD", "producer-s-password").split())
        try:
            app = producer(
                quiet.broker_url.replace("://:", "://producer:").replace(_password(quiet), "producer-s-password")
            )
            submit(quiet.world.order(), app=app, key="")
            app.close()
            assert valkey.llen("postroad:ingest") == 1
            host = valkey.connection_pool.connection_kwargs
            with redis.Redis(
                host=host["host"], port=host["port"], username="producer", password="producer-s-password"
            ) as held_back:
                for command in (
                    ("LRANGE", "postroad:ingest", 0, -1),
                    ("KEYS", "*"),
                    ("FLUSHALL",),
                    ("RPOP", "postroad:otp"),
                ):
                    with pytest.raises(redis.exceptions.NoPermissionError):
                        held_back.execute_command(*command)
        finally:
            valkey.execute_command("ACL", "DELUSER", "producer")
            valkey.delete("postroad:ingest")


def _password(site: Site) -> str:
    return str(site.broker_url.partition("://:")[2].partition("@")[0])
