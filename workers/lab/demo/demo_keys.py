"""The demo's test keys of the APIs, created at the first start and kept beside the passwords; `up` shows them."""

import json
import shlex
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

from pipeline.dialects.registry import DIALECTS
from pipeline.runtime import Runtime
from pipeline.stages.admin.api_keys import issue, list_keys
from pipeline.stages.admin.person_import import add_person, list_persons
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from workers import generated_secrets
from workers.lab.demo import demo_sandbox

Credentials = Mapping[str, str]

#: the file in the data folder
FILE = "doors.json"
#: the recipient of Solaris's API
PERSON = "dc1a6812a14f6cc338cd084208535bcdcper"
_TEXT = "Your ride arrives at 9."


def ready(rt: Runtime, home: Path) -> dict[str, Credentials]:
    """Return the sandbox's test key of each dialect; created if there is none in force."""
    path = home / FILE
    known = json.loads(path.read_text()) if path.exists() else {}
    in_force = {row["id"] for row in list_keys(rt, ACCOUNT) if row["in_force"]}
    for dialect in DIALECTS:
        if known.get(dialect, {}).get("id") not in in_force:
            made = issue(rt, ACCOUNT, DIALECTS[dialect], test=True, name="to try things with")
            known[dialect] = {"id": made.id, **made.credentials}
    generated_secrets.write(path, known)
    if PERSON not in {row["person_id"] for row in list_persons(rt, ACCOUNT)}:
        add_person(rt, ACCOUNT, PERSON, demo_sandbox.GOOD_NUMBER, verified=True)
    return {dialect: {name: str(word) for name, word in known[dialect].items() if name != "id"} for dialect in DIALECTS}


def lines(url: str, keys: Mapping[str, Credentials]) -> dict[str, str]:
    """Return for each dialect the curl command that sends one message through it."""
    number = demo_sandbox.GOOD_NUMBER
    solaris, telesign = keys["solaris"], keys["telesign"]
    token = _curl(
        f"{url}/solaris/oauth2/token",
        user=f"{solaris['client_id']}:{solaris['client_secret']}",
        data="grant_type=client_credentials&scope=partners",
    )
    reading = "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])'"
    return {
        "solaris": _curl(
            f"{url}/solaris/v1/sms/messages",
            header=f'"Authorization: Bearer $({token} | {reading})"',
            json_={"person_id": PERSON, "text": _TEXT, "purpose": "A try", "idempotency_key": "$(uuidgen)"},
        ),
        "robase": _curl(
            f"{url}/robase/v1/sms",
            header=shlex.quote(f"Authorization: Bearer {keys['robase']['api_key']}"),
            json_={"to": number, "from": SENDER, "body": _TEXT},
        ),
        "telesign": _curl(
            f"{url}/telesign/v1/verify/sms",
            user=f"{telesign['customer_id']}:{telesign['api_key']}",
            data=f"phone_number={number[1:]}",
        ),
        "webex": _curl(
            f"{url}/webex/v1/sms",
            header=shlex.quote(f"X-AUTH-KEY: {keys['webex']['access_token']}"),
            json_={"message_body": _TEXT, "from": SENDER, "to": [{"phone": [number]}]},
        ),
        "postroad": _curl(
            f"{url}/postroad/v1/messages",
            header=shlex.quote(f"Authorization: Bearer {keys['postroad']['api_key']}"),
            json_={"sender": SENDER, "body": _TEXT, "recipients": [{"to": number}]},
        ),
    }


def _curl(
    url: str, *, user: str = "", header: str = "", data: str = "", json_: Mapping[str, object] | None = None
) -> str:
    words = ["curl -s", url]
    if user:
        words.append(f"-u {shlex.quote(user)}")
    if header:
        words.append(f"-H {header}")
    if json_ is not None:
        words.append(f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(json_))}")
    if data:
        words.append(f"-d {shlex.quote(data)}")
    return " ".join(words)


def try_each(url: str, keys: Mapping[str, Credentials]) -> dict[str, int]:
    """Send one message through each dialect; return the HTTP status each answered."""
    number, text = demo_sandbox.GOOD_NUMBER, _TEXT
    solaris, telesign = keys["solaris"], keys["telesign"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    client = _basic(solaris["client_id"], solaris["client_secret"])
    _, token = _post(f"{url}/solaris/oauth2/token", "grant_type=client_credentials&scope=partners", form | client)
    content = {"person_id": PERSON, "text": text, "purpose": "A try", "idempotency_key": str(uuid4())}
    calls: dict[str, tuple[str, str | Mapping[str, object], Mapping[str, str]]] = {
        "solaris": ("/v1/sms/messages", content, {"Authorization": f"Bearer {token['access_token']}"}),
        "robase": (
            "/v1/sms",
            {"to": number, "from": SENDER, "body": text},
            {"Authorization": f"Bearer {keys['robase']['api_key']}"},
        ),
        "telesign": (
            "/v1/verify/sms",
            f"phone_number={number[1:]}",
            form | _basic(telesign["customer_id"], telesign["api_key"]),
        ),
        "webex": (
            "/v1/sms",
            {"message_body": text, "from": SENDER, "to": [{"phone": [number]}]},
            {"X-AUTH-KEY": keys["webex"]["access_token"]},
        ),
        "postroad": (
            "/v1/messages",
            {"sender": SENDER, "body": text, "recipients": [{"to": number}]},
            {"Authorization": f"Bearer {keys['postroad']['api_key']}"},
        ),
    }
    return {
        dialect: _post(f"{url}/{dialect}{path}", content, headers)[0]
        for dialect, (path, content, headers) in calls.items()
    }


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def _post(url: str, content: str | Mapping[str, object], headers: Mapping[str, str]) -> tuple[int, Any]:
    body = content if isinstance(content, str) else json.dumps(content)
    request = Request(url, body.encode(), {"Content-Type": "application/json", **headers}, method="POST")  # noqa: S310 - our own gateway
    try:
        with urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())
