"""The setting `home_country` of every kind of carrier: the country of the handsets whose messages it delivers to us."""

from collections.abc import Mapping

from phonenumbers import SUPPORTED_REGIONS

from pipeline.carriers.setting_reader import SettingReader

#: ISO 3166-1 alpha-2; numbers of its handsets without a country code are dialled there
HOME = "home_country"


def read(options: SettingReader) -> str:
    """Take the setting; "" where it is not set; ConfigurationError where it is not a country code."""
    word = options.text(HOME, "").upper()
    if word and word not in SUPPORTED_REGIONS:
        raise options.unfit(HOME, "must be an ISO 3166 code of two letters, such as NG or GB")
    return word


def own(carrier: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings without `home_country`, for kinds whose posts are read apart from the carrier."""
    if HOME in settings:
        read(SettingReader(carrier, settings))
    return {key: value for key, value in settings.items() if key != HOME}


def of(settings: Mapping[str, object]) -> str:
    """Return the country from a row's settings, "" where it is not set."""
    word = settings.get(HOME)
    return word.upper() if isinstance(word, str) else ""
