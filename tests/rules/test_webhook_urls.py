"""Webhook URLs and addresses: a table of SSRF attempts that must all be refused."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from pipeline.rules.api.webhook_urls import AllowedAddresses, fault, may_be_called, parse_allowed

PUBLIC = AllowedAddresses(ports=frozenset({80, 443, 8443}))
INSIDE = replace(PUBLIC, networks=(ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")))


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/sms?tenant=7",
        "https://hooks.example.org:8443/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://xn--bcher-kva.example/x",
        "HTTPS://Hooks.Example.ORG",
        "https://example.org./",
    ],
)
def test_a_public_https_url_is_accepted(url: str) -> None:
    assert fault(url, PUBLIC) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "example.org",
        "",
        "https://",
        "https:///path",
        "https://user:secret@example.org/",
        "https://example.org@127.0.0.1/",
        "https://127.0.0.1\\@example.org/",
        "https://example.org/#fragment",
        "https://exa mple.org/",
        "https://example.org/\r\nX: y",
        "https://bücher.example/",
        "https://example.org:22/",
        "https://example.org:6379/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://localhost/",
        "https://postgres/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://a.localhost./",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.0.0.01/",
        "https://1.2.3.4.5/",
        "https://example.0x1/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::8.8.8.8]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:4136:e378::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00::1]/",
        "https://[ff02::1]/",
        "https://[v1.x]/",
        "https://" + "a" * 64 + ".example/",
        "https://example.org/" + "x" * 2048,
    ],
)
def test_an_unsafe_webhook_url_is_refused_with_a_reason(url: str) -> None:
    words = fault(url, PUBLIC)

    assert words
    assert words[0].islower() or words.startswith("a URL")


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_a_public_address_may_be_called_over_tls_only(address: str) -> None:
    assert may_be_called(address, 443, PUBLIC, tls=True)
    assert not may_be_called(address, 80, PUBLIC, tls=False)
    assert not may_be_called(address, 5432, PUBLIC, tls=True)
    assert may_be_called(address, 80, replace(PUBLIC, plain=True), tls=False)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::a.b",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "2002:c0a8:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fec0::1",
        "ff02::1",
        "example.org",
        "127.1",
    ],
)
def test_an_address_that_is_not_public_may_not_be_called(address: str) -> None:
    assert not may_be_called(address, 443, PUBLIC, tls=True)


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3:9000/x", "http://[::ffff:10.1.2.3]/", "https://[fd00:1::5]/", "http://billing.internal/"]
)
def test_an_operator_may_allow_private_networks(url: str) -> None:
    assert fault(url, INSIDE) is None
    assert fault(url, PUBLIC)


def test_an_allowed_network_does_not_allow_another_network() -> None:
    assert may_be_called("10.1.2.3", 9000, INSIDE, tls=False)
    assert may_be_called("fd00:1::5", 9000, INSIDE, tls=False)
    assert not may_be_called("10.2.0.1", 443, INSIDE, tls=True)
    assert not may_be_called("8.8.8.8", 80, INSIDE, tls=False)
    assert fault("https://10.2.0.1/", INSIDE)


def test_allowed_addresses_are_parsed_from_the_settings() -> None:
    assert parse_allowed(["10.1.0.0/16"], [443], plain=True) == AllowedAddresses(
        (ip_network("10.1.0.0/16"),), frozenset({443}), True
    )
    with pytest.raises(ValueError, match=r"10\.1\.0\.1/16"):
        parse_allowed(["10.1.0.1/16"], [443], plain=False)
