"""A setting that every kind of carrier has: `home_country`, where the handsets are whose messages it brings."""

from collections.abc import Mapping

from phonenumbers import SUPPORTED_REGIONS

from pipeline.carriers.setting_reader import SettingReader

#: ISO 3166-1 alpha-2; what its handsets write without a country code is dialled there
HOME = "home_country"


def read(options: SettingReader) -> str:
    """Take the setting; "" where it is not set, ConfigurationError where it is no country."""
    word = options.text(HOME, "").upper()
    if word and word not in SUPPORTED_REGIONS:
        raise options.unfit(HOME, "must be an ISO 3166 code of two letters, such as NG or GB")
    return word


def own(carrier: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that are the kind's own, for a kind whose posts are read elsewhere than it is made."""
    if HOME in settings:
        read(SettingReader(carrier, settings))
    return {key: value for key, value in settings.items() if key != HOME}


def of(settings: Mapping[str, object]) -> str:
    """Return the country in the settings of a row, "" where it is not set."""
    word = settings.get(HOME)
    return word.upper() if isinstance(word, str) else ""
