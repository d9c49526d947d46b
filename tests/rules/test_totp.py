"""One-time codes by time: the vectors of RFC 6238, drift, and how a secret is given to an app."""

from base64 import b32decode
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.rules.identity import totp

#: appendix B of RFC 6238, for SHA-1
SECRET = b"12345678901234567890"
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
NOW = datetime(2026, 11, 30, 12, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize("seconds", VECTORS)
def test_the_codes_of_rfc_6238_are_computed(seconds: int) -> None:
    step = totp.step_at(datetime.fromtimestamp(seconds, UTC))

    assert totp.code_at(SECRET, step, digits=8) == VECTORS[seconds]
    assert totp.code_at(SECRET, step) == VECTORS[seconds][2:]


def test_a_code_of_the_step_before_or_after_is_accepted_and_none_further_away() -> None:
    present = totp.step_at(NOW)
    codes = {drift: totp.code_at(SECRET, present + drift) for drift in (-2, -1, 0, 1, 2)}

    found = {drift: totp.step_of(SECRET, code, NOW) for drift, code in codes.items()}

    assert found == {-2: None, -1: present - 1, 0: present, 1: present + 1, 2: None}


def test_a_code_may_be_written_with_blanks() -> None:
    code = totp.code_at(SECRET, totp.step_at(NOW))

    assert totp.step_of(SECRET, f" {code[:3]} {code[3:]}\n", NOW) == totp.step_at(NOW)


@pytest.mark.parametrize("code", ["", "0", "00000", "٠٠٠٠٠٠", "\ud800", "1234567", "x" * 10_000])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert totp.step_of(SECRET, code, NOW) is None


def test_steps_last_thirty_seconds() -> None:
    assert totp.step_at(NOW + timedelta(seconds=14)) == totp.step_at(NOW)
    assert totp.step_at(NOW + timedelta(seconds=15)) == totp.step_at(NOW) + 1


def test_an_app_reads_the_secret_and_whose_it_is() -> None:
    read = urlsplit(totp.uri(SECRET, "ada+x@example.org", "Postroad"))

    assert (read.scheme, read.netloc, read.path) == ("otpauth", "totp", "/Postroad%3Aada%2Bx%40example.org")
    fields = parse_qs(read.query)
    assert b32decode(fields["secret"][0]) == SECRET
    assert fields["issuer"] == ["Postroad"]
