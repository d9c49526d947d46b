"""Settings and scopes of API keys, by dialect."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.dialects.registry import DIALECTS
from pipeline.dialects.solaris.key_settings import read
from pipeline.dialects.telesign import key_settings
from pipeline.dialects.telesign.key_settings import TelesignKeySettings
from pipeline.errors import ConfigurationError
from pipeline.rules.api.key_settings import fit as fit_types
from tests.dialects.test_solaris import key
from tests.dialects.vendors import Vendor

GOOD: dict[str, list[Any]] = {
    "rate": [0.1, 1, 50, 1_000_000],
    "burst": [1, 1_000_000],
    "sender": ["Bank", "811", 811, "+2348012345678"],
    "recipient_burst": [1, 1000],
    "recipient_seconds": [0.5, 60],
    "token_seconds": [1, 86_400],
    "code_seconds": [1, 300],
    "code_attempts": [1, 100],
    "tolerance": [0.5, 900],
    "validity": [30, 86_400],
    "max_attempts": [1, 100],
    "max_text": [1, 1600],
    "hard_cap": [1, 1_000_000],
    "pause": [0, 30, 1.5],
    "trial_numbers": [[], ["+2348012345678"]],
    "home_region": ["UK", "USA"],
    "time_zone": ["UTC", "Europe/London"],
}
BAD: dict[str, list[Any]] = {
    "rate": [0, -1, "50", True, None, float("nan"), float("inf"), 1_000_001, [5]],
    "burst": [0, 1.5, "5", True, 1_000_001],
    "sender": ["", "a name that is too long", "  ", None, True, 1.5, ["Bank"]],
    "recipient_burst": [0, 1.5, "2", None],
    "recipient_seconds": [0, -1, "60", None],
    "token_seconds": [0, 0.5, 86_401],
    "code_seconds": [0, "300"],
    "code_attempts": [0, 101],
    "tolerance": [0, 901, "wide"],
    "validity": [29, 86_401],
    "max_attempts": [0, 101],
    "max_text": [0, 1601],
    "hard_cap": [0, None],
    "pause": [-1, None],
    "trial_numbers": ["+2348012345678", [2348012345678], ["2348012345678"], None],
    "home_region": ["", "United Kingdom", 44],
    "time_zone": ["", "a zone", 1],
}
SETTINGS = [(dialect, name) for dialect in Vendor for name in DIALECTS[dialect].key_settings]


def fit(dialect: str, settings: dict[str, Any]) -> dict[str, Any]:
    return fit_types(dialect, DIALECTS[dialect].key_settings, settings)


@pytest.mark.parametrize(("dialect", "name"), SETTINGS)
def test_a_valid_setting_of_an_api_key_is_kept(dialect: Vendor, name: str) -> None:
    for value in GOOD[name]:
        assert fit(dialect, {name: value}) == {name: str(value) if name == "sender" else value}


@pytest.mark.parametrize(("dialect", "name"), SETTINGS)
def test_an_invalid_setting_of_an_api_key_is_refused_by_its_name(dialect: Vendor, name: str) -> None:
    for value in BAD[name]:
        with pytest.raises(ConfigurationError, match=f"the setting '{name}' of a {dialect} key must be "):
            fit(dialect, {"rate": 5, name: value})


@pytest.mark.parametrize("dialect", Vendor)
def test_an_unknown_setting_of_an_api_key_is_refused_with_a_list_of_the_known_ones(dialect: Vendor) -> None:
    with pytest.raises(ConfigurationError, match=f"a {dialect} key has no setting 'speed'; it has .*burst.*rate"):
        fit(dialect, {"rate": 5, "speed": 5})


def test_an_api_key_without_settings_keeps_none() -> None:
    assert [fit(dialect, {}) for dialect in Vendor] == [{}] * len(Vendor)


def test_the_settings_of_telesign_keys_are_those_that_its_api_reads_and_accepts() -> None:
    own = set(DIALECTS[Vendor.TELESIGN].key_settings) - {"rate", "burst"}

    assert own == set(TelesignKeySettings.model_fields)
    for name in own:
        for value in GOOD[name]:
            key_settings.read(fit(Vendor.TELESIGN, {name: value}))
        for value in (each for each in BAD[name] if type(each) in (int, float)):
            if name not in ("sender", "trial_numbers"):
                with pytest.raises(ValidationError):
                    key_settings.read({name: value})


def test_the_settings_of_solaris_keys_are_those_that_its_api_reads() -> None:
    own = {name: GOOD[name][-1] for name in set(DIALECTS[Vendor.SOLARIS].key_settings) - {"rate", "burst"}}

    found = read(key(**fit(Vendor.SOLARIS, own)))

    assert {name: getattr(found, name) for name in found.__slots__} == own
