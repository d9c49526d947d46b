"""The gateway's router: prefixes and host names, client addresses behind proxies, and limits of size."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.errors import ConfigurationError
from pipeline.runtime import Runtime
from pipeline.store import carriers
from tests.api.conftest import RunningGateway
from tests.dialects.vendors import Vendor
from tests.world import World
from workers.gateway.gateway_process import Gateway

SMS = {"to": "+2348012345678", "from": "ACME", "body": "Your ride arrives at 9."}


def bearer(house: RunningGateway, **properties: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {house.key(Vendor.ROBASE, **properties)['api_key']}"}


@pytest.fixture
def house_with(world: World) -> Iterator[Callable[..., RunningGateway]]:
    """Makes a gateway with other settings."""
    opened = []

    def make(**settings: Any) -> RunningGateway:
        house = RunningGateway(Runtime(world.rt.settings.model_copy(update=settings)))
        opened.append(house)
        return house

    yield make
    for house in opened:
        house.close()
        house.rt.close()


def test_each_dialect_is_served_at_its_prefix_and_other_paths_are_404(running_gateway: RunningGateway) -> None:
    for dialect in Vendor:
        assert running_gateway.ask("GET", f"/{dialect}/nowhere").status in (401, 404)
    for path in ("/", "/nowhere", "/robasex/v1/sms", "//", "/v1/sms", "/ROBASE/v1/sms"):
        answer = running_gateway.ask("POST", path, SMS)
        assert answer.status == 404
        assert "/robase" in answer.json["error"]["message"]


def test_a_dialect_is_also_served_at_the_root_of_its_host_name(house_with: Callable[..., RunningGateway]) -> None:
    house = house_with(gateway_hosts={Vendor.ROBASE: "sms.acme.example"})
    headers = bearer(house)

    by_host = house.ask("POST", "/v1/sms", SMS, {**headers, "Host": "SMS.acme.example:8080"})
    by_prefix = house.ask("POST", "/robase/v1/sms", SMS, headers)

    assert (by_host.status, by_prefix.status) == (202, 202)


def test_the_client_address_is_the_last_forwarded_one_that_is_not_a_trusted_proxy(
    house_with: Callable[..., RunningGateway],
) -> None:
    house = house_with(gateway_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    headers = bearer(house, networks=["203.0.113.0/24"])

    def ask(forwarded: str) -> int:
        return int(house.ask("POST", "/robase/v1/sms", SMS, {**headers, "X-Forwarded-For": forwarded}).status)

    assert ask("203.0.113.9") == 202
    assert ask("198.51.100.1, 203.0.113.9, 10.1.2.3") == 202
    assert ask("203.0.113.9, 198.51.100.1") != 202
    assert ask("nonsense") != 202


def test_a_proxy_setting_that_is_not_a_network_is_a_configuration_error(world: World) -> None:
    rt = Runtime(world.rt.settings.model_copy(update={"gateway_proxies": ("the proxy",)}))

    with pytest.raises(ConfigurationError, match="POSTROAD_GATEWAY_PROXIES: the proxy"):
        Gateway(rt)


def test_x_forwarded_for_is_ignored_without_a_trusted_proxy(running_gateway: RunningGateway) -> None:
    headers = bearer(running_gateway, networks=["203.0.113.0/24"])

    answer = running_gateway.ask("POST", "/robase/v1/sms", SMS, {**headers, "X-Forwarded-For": "203.0.113.9"})

    assert answer.status in (401, 403)


def test_a_body_with_a_too_large_content_length_is_refused_unread(running_gateway: RunningGateway) -> None:
    head = b"POST /robase/v1/sms HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.sendall(head)
        answer = line.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 4")
    assert b'"error"' in answer


def test_pipelined_requests_on_one_connection_are_answered(running_gateway: RunningGateway) -> None:
    headers = "".join(f"{name}: {word}\r\n" for name, word in bearer(running_gateway, settings={"rate": 1000}).items())
    body = b'{"to":"+2348012345678","from":"ACME","body":"x"}'
    call = f"POST /robase/v1/sms HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.sendall(5 * call)
        received = b""
        while received.count(b"HTTP/1.1 202") < 5 and (more := line.recv(65536)):
            received += more

    assert received.count(b"HTTP/1.1 202") == 5


@pytest.mark.parametrize("path", ["/robase/v1/sms", "/receipts/open"])
def test_expect_100_continue_is_answered_100_to_authenticated_callers(
    world: World, running_gateway: RunningGateway, path: str
) -> None:
    with world.rt.begin() as conn:
        carriers.save(conn, "open", "http", {"base_url": "http://127.0.0.1:1"})
    headers = "".join(f"{name}: {word}\r\n" for name, word in bearer(running_gateway).items())
    body = b'{"to":"+2348012345678","from":"ACME","body":"x"}'
    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        asked = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Expect: 100-continue\r\nConnection: close\r\n"
        line.sendall(f"{asked}Content-Length: {len(body)}\r\n\r\n".encode())
        first = line.recv(1024)
        line.sendall(body)
        answer = line.makefile("rb").read()

    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n" if "robase" in path else (b"HTTP/1.1 200", b"HTTP/1.1 400"))


@pytest.mark.parametrize("path", ["/robase/v1/sms", "/webex/v1/sms", "/solaris/v1/persons", "/receipts/nobody"])
def test_expect_100_continue_is_answered_401_without_a_key(running_gateway: RunningGateway, path: str) -> None:
    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n".encode())
        answer = line.recv(1024)

    assert answer.startswith(b"HTTP/1.1 401 ")


def test_expect_100_continue_with_a_too_large_body_is_refused_at_once(running_gateway: RunningGateway) -> None:
    head = b"POST /robase/v1/sms HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running_gateway.port), 20) as line:
        line.sendall(head)
        answer = line.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_a_health_check_answers_other_methods_than_get_and_head_with_405(
    running_gateway: RunningGateway, path: str, method: str
) -> None:
    refused = running_gateway.ask(method, path)

    assert (refused.status, refused.headers["allow"]) == (405, "GET")
    assert running_gateway.ask("HEAD", path).status == 200
