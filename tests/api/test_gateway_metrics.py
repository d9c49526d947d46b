"""Metrics of a gateway process: each response once, by API, operation and status, with its time and sizes."""

import asyncio
import socket

from prometheus_client import CollectorRegistry, generate_latest

from pipeline.settings import Settings
from tests.api.conftest import RunningGateway
from tests.dialects.vendors import Vendor
from tests.workers.metrics.scraped import Scrape
from workers.metrics.gateway_metrics import GatewayMetrics, serve_gateway_metrics


def scraped(metrics: GatewayMetrics) -> Scrape:
    registry = CollectorRegistry()
    registry.register(metrics)
    return Scrape(generate_latest(registry).decode())


def test_each_response_is_counted_with_its_operation_status_and_sizes(running_gateway: RunningGateway) -> None:
    key = {"X-AUTH-KEY": str(running_gateway.key(Vendor.WEBEX)["access_token"])}
    message = {"message_body": "Hello", "from": "ACME", "to": [{"phone": ["+447700900123"]}]}

    sent = running_gateway.ask("POST", "/webex/v1/sms", message, key)
    running_gateway.ask("POST", "/webex/v1/sms", message)
    running_gateway.ask("GET", "/webex/v1/nowhere", headers=key)
    running_gateway.ask("POST", "/webex/v1/sms", "x" * 300_000, key)
    running_gateway.ask("POST", "/receipts/nobody", {})

    scrape = scraped(running_gateway.gateway.metrics)
    counts = {
        (each.labels["dialect"], each.labels["operation"] == "none", each.labels["status"]): each.value
        for each in scrape.samples
        if each.name == "postroad_gateway_request_seconds_count"
    }
    assert counts == {
        (Vendor.WEBEX, False, str(sent.status)): 1,
        (Vendor.WEBEX, False, "401"): 1,
        (Vendor.WEBEX, True, "404"): 1,
        (Vendor.WEBEX, False, "400"): 1,
        ("receipts", False, "401"): 1,
    }
    assert scrape("postroad_gateway_response_bytes_sum", status=str(sent.status)) == len(sent.body)
    assert scrape("postroad_gateway_request_bytes_bucket", status="400", le="+Inf") == 1


def test_a_gateway_goes_without_metrics_where_their_port_is_in_use(settings: Settings) -> None:
    async def are_served(port: int) -> bool:
        given = settings.model_copy(update={"metrics_port": port - 1})
        served = await serve_gateway_metrics(given, 1, GatewayMetrics())
        if served:
            await served.cleanup()
        return served is not None

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not asyncio.run(are_served(port))
    assert asyncio.run(are_served(port))
