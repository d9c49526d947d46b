"""What is read from a client that signs in: its network, its browser; what a token reveals."""

import pytest

from pipeline.rules.identity.session_tokens import csrf_token, network_of, token_hash
from pipeline.rules.identity.user_agents import family


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("unix socket", "unix socket"),
    ],
)
def test_a_client_s_network_is_its_ipv4_address_or_its_ipv6_prefix(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Safari/537.36 Edg/143.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1",
            "Safari on iOS",
        ),
        ("<script>", "another browser"),
        ("", "another browser"),
    ],
)
def test_browser_and_system_are_read_from_the_header(header: str, words: str) -> None:
    assert family(header) == words


def test_neither_hash_nor_form_token_reveals_a_token() -> None:
    token = "a token of this test"

    assert len(token_hash(token)) == 32
    assert csrf_token(token) != csrf_token(token + "x")
    assert token not in csrf_token(token)
    assert token_hash(token).hex() != csrf_token(token)
