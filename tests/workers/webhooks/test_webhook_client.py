"""The webhook client: hostile responses, host names and addresses do no harm."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest
from aiohttp import ClientConnectorError, web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.stages.api.webhook_endpoints import AllowedAddresses
from schema.api import WebhookPost
from tests.workers.webhooks.receiver import Answer, Receiver, drip, flood, hang, status
from workers.webhooks.webhook_client import Lookup, WebhookClient

HERE = AllowedAddresses(networks=(ip_network("127.0.0.1/32"),), ports=frozenset({443}))
POSTING = WebhookPost({"Content-Type": "application/json", "Robase-Event": "sms.sent"}, b'{"a":1}')


def names(*answers: Sequence[str]) -> Lookup:
    """Return a look-up that gives these addresses, one list a time, the last one for ever."""
    left = list(answers)

    def look_up(_host: str, port: int, *_: Any) -> list[tuple[Any, ...]]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in found
        ]

    return look_up


Found = TypeVar("Found")


def call(
    url: str, *, reach: AllowedAddresses = HERE, lookup: Lookup = socket.getaddrinfo, seconds: float = 5.0
) -> int | str:
    async def once(caller: WebhookClient) -> int | str:
        return await caller.call(url, POSTING, seconds)

    return entered(once, reach=reach, lookup=lookup)


def entered(
    work: Callable[[WebhookClient], Awaitable[Found]],
    *,
    reach: AllowedAddresses = HERE,
    lookup: Lookup = socket.getaddrinfo,
) -> Found:
    async def run() -> Found:
        async with WebhookClient(reach, lookup) as caller:
            return await work(caller)

    return asyncio.run(run())


def test_a_webhook_is_posted_with_its_url_headers_and_body_unchanged(receiver: Receiver) -> None:
    answer = call(receiver.url("/a%2Fb?x=1&y=%20"))

    [accepted] = receiver.accepted
    assert (answer, accepted.body) == (200, POSTING.body)
    assert accepted.headers["Robase-Event"] == "sms.sent"
    assert accepted.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert accepted.headers["User-Agent"] == "Postroad-Webhooks"


@pytest.mark.parametrize("code", [200, 204, 302, 307, 410, 500, 503])
def test_the_result_of_a_call_is_its_status_and_redirects_are_not_followed(receiver: Receiver, code: int) -> None:
    receiver.answers["/"] = status(code, Location=receiver.url("/elsewhere"))

    assert call(receiver.url()) == code
    assert [each.path for each in receiver.accepted] == ["/"]


def test_cookies_are_not_stored(receiver: Receiver) -> None:
    receiver.answers["/"] = status(200, **{"Set-Cookie": "a=b"})

    async def twice(caller: WebhookClient) -> None:
        for _ in range(2):
            await caller.call(receiver.url(), POSTING, 5)

    entered(twice)

    assert all("Cookie" not in each.headers for each in receiver.accepted)


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "ALL_PROXY"])
def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")

    assert call(receiver.url()) == 200


@pytest.mark.parametrize("answer", [flood, drip])
def test_an_endless_response_body_is_not_read_to_its_end(receiver: Receiver, answer: Answer) -> None:
    receiver.answers["/"] = answer
    begun = time.monotonic()

    assert call(receiver.url(), seconds=20) == 200
    assert time.monotonic() - begun < 8


def test_a_call_without_a_response_ends_with_timeout(receiver: Receiver) -> None:
    receiver.answers["/"] = hang
    begun = time.monotonic()

    assert call(receiver.url(), seconds=0.5) == "timeout"
    assert time.monotonic() - begun < 5


def test_a_compressed_response_is_not_decompressed(receiver: Receiver) -> None:
    receiver.answers["/"] = lambda _: web.Response(body=b"no gzip at all", headers={"Content-Encoding": "gzip"})

    assert call(receiver.url()) == 200


def test_a_response_that_is_not_http_is_reported_as_unreadable() -> None:
    async def serve(work: Callable[[int], Awaitable[int | str]]) -> int | str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            return await work(server.sockets[0].getsockname()[1])

    async def work(port: int) -> int | str:
        async with WebhookClient(HERE) as caller:
            return await caller.call(f"http://127.0.0.1:{port}/", POSTING, 5)

    assert asyncio.run(serve(work)) == "unreadable_answer"


def test_a_refused_connection_is_reported_as_no_connection() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        assert call(f"http://127.0.0.1:{port}/") == "no_connection"


def test_an_unknown_host_name_is_reported_as_no_such_host() -> None:
    def nothing(*_: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    assert call("http://nobody.example/", lookup=nothing) == "no_such_host"


def test_an_https_url_of_a_server_without_tls_is_not_called(receiver: Receiver) -> None:
    assert call(receiver.url().replace("http:", "https:")) == "no_tls"
    assert receiver.accepted == []


# Where names lead ----------------------------------------------------------------------------------------------


def test_a_host_name_is_called_at_its_address_with_its_host_header(receiver: Receiver) -> None:
    assert call(receiver.url(host="hooks.example"), lookup=names(["127.0.0.1"])) == 200
    assert receiver.accepted[0].headers["Host"] == f"hooks.example:{receiver.port}"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.2"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.2"],
        ["127.0.0.1", "127.0.0.2"],
        ["127.0.0.1", "169.254.169.254"],
    ],
)
def test_a_host_name_that_resolves_to_a_forbidden_address_is_not_called(
    receiver: Receiver, addresses: list[str]
) -> None:
    assert call(receiver.url(host="evil.example"), lookup=names(addresses)) == "address_forbidden"
    assert receiver.accepted == []


def test_a_host_name_is_checked_again_when_it_is_resolved_again(receiver: Receiver) -> None:
    lookup = names(["127.0.0.1"], ["127.0.0.2"])

    async def twice(caller: WebhookClient) -> list[int | str]:
        first = await caller.call(receiver.url(host="evil.example"), POSTING, 5)
        for session in caller._sessions.values():  # as after the seconds for which a name is remembered
            session.connector.clear_dns_cache()  # type: ignore[union-attr]
            await session.connector.close()  # type: ignore[union-attr]
        await caller.__aenter__()
        return [first, await caller.call(receiver.url(host="evil.example"), POSTING, 5)]

    assert entered(twice, lookup=lookup) == [200, "address_forbidden"]
    assert len(receiver.accepted) == 1


def test_a_host_name_is_resolved_once_for_each_call(receiver: Receiver) -> None:
    assert call(receiver.url(host="evil.example"), lookup=names(["127.0.0.1"], ["169.254.169.254"])) == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:{port}/",
        "http://127.1:{port}/",
        "http://0x7f.1:{port}/",
        "http://2130706433:{port}/",
        "http://[::1]:{port}/",
        "http://user@127.0.0.1:{port}/",
        "file:///etc/passwd",
        "http://8.8.8.8/",
    ],
)
def test_a_stored_url_that_is_not_allowed_is_not_called(receiver: Receiver, url: str) -> None:
    assert call(url.format(port=receiver.port)) == "url_unfit"
    assert receiver.accepted == []


def test_a_forbidden_ip_address_is_refused_when_the_socket_is_opened(receiver: Receiver) -> None:
    """An IP address is never looked up: even past every other check no socket is opened to it."""

    async def by_force(caller: WebhookClient) -> str:
        with pytest.raises(ClientConnectorError) as refused:
            await caller._sessions["http"].post(f"http://127.0.0.1:{receiver.port}/")
        return type(refused.value.os_error).__name__

    assert entered(by_force, reach=AllowedAddresses()) == "AddressForbidden"
    assert receiver.accepted == []


def test_a_public_address_is_not_called_without_tls() -> None:
    assert call("http://public.example:443/", lookup=names(["93.184.215.14"])) == "address_forbidden"


@pytest.mark.parametrize(
    ("name", "is_trusted", "answer"),
    [("hooks.example", True, 200), ("hooks.example", False, "no_tls"), ("other.example", True, "no_tls")],
)
def test_a_certificate_is_verified_against_the_host_name_and_not_the_address(
    tmp_path: Path, name: str, is_trusted: bool, answer: int | str
) -> None:
    certificate, key = certificate_of(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def work() -> int | str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10_000)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
        trusted = ssl.create_default_context(cafile=certificate if is_trusted else None)
        async with server, WebhookClient(HERE, names(["127.0.0.1"]), trusted) as caller:
            port = server.sockets[0].getsockname()[1]
            return await caller.call(f"https://hooks.example:{port}/", POSTING, 5)

    assert asyncio.run(work()) == answer


def certificate_of(folder: Path, name: str) -> tuple[str, str]:
    """Write a certificate that nobody vouches for; return where it and its key are."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    (folder / "certificate.pem").write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(written)
    return str(folder / "certificate.pem"), str(folder / "key.pem")
