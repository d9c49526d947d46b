"""Secrets in carriers' settings: found by their names, shown as dots, asked for where a `?` stands for one."""

import re
import warnings
from collections.abc import Iterator, Mapping
from getpass import GetPassWarning
from typing import Any

import click

#: names of secrets, by a part of them: headers too are mostly there to let us in
_SECRET = ("token", "pass", "pwd", "psw", "secret", "key", "auth", "cred", "cookie", "bearer", "headers")
#: names of secrets that are parts of harmless ones
_SECRET_WORDS = ("pin", "pw", "sig")
#: parts of a `generic` carrier's requests: what stands there as it is goes out as it is, passwords among it
_REQUESTS = ("form", "body", "values")
#: nothing but what is filled in for each message
_FILLED = re.compile(r"(\$\{[^{}]*\}|\W)*")
_VEIL = "•••"
#: what a URL says of whom it lets in, and its query; and what is written like that where a host is asked for
_IN_URL = re.compile(r"(://)[^/@]*(?=@)|(?<=\?).*")
_AT_HOST = re.compile(r"^[^/@\s]*:[^/@\s]*(?=@)")
#: what stands for a secret that is to be asked for
_ASK = "?"


def masked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without what is secret, however deep: by its name, in a header, or in a URL's query."""
    return {str(key): _VEIL if _is_secret(str(key)) else _veiled(value, str(key)) for key, value in settings.items()}


def secrets_in(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of the secrets that settings spell out, however deep: `receipts.proof.secret`."""
    return list(_spelt_out(settings, ""))


def ask_for(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return settings with each `?` replaced by what is typed, unseen, at the terminal."""
    return {str(key): _asked(value, f"{path}{key}") for key, value in settings.items()}


def _asked(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return ask_for(value, f"{path}.")
    return _typed(path) if value == _ASK else value


def _typed(path: str) -> Any:
    """Return what is typed at the terminal, or stands on stdin where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GetPassWarning)
        try:
            return click.prompt(path, hide_input=True, err=True)
        except click.Abort as error:
            if isinstance(error.__context__, EOFError):
                raise click.UsageError(f"{path} is ?, and nobody is there to be asked for it") from None
            raise


def _spelt_out(settings: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in settings.items():
        if _is_secret(str(key)) and value not in ("", _ASK, {}, None):
            yield f"{path}{key}"
        elif isinstance(value, Mapping):
            yield from _spelt_out(value, f"{path}{key}.")
        elif isinstance(value, str) and _without_login(value) != value:
            yield f"{path}{key}"


def _veiled(value: Any, key: str = "") -> Any:
    if key in _REQUESTS:
        return _filled(value)
    if isinstance(value, Mapping):
        return masked_settings(value)
    if isinstance(value, list):
        return [_veiled(each) for each in value]
    return _without_login(value) if isinstance(value, str) else value


def _filled(value: Any) -> Any:
    """Return a request's part with only what is filled in: what else stands there nobody can tell from a password."""
    if isinstance(value, Mapping):
        return {str(key): _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return value if value is None or isinstance(value, bool) or _FILLED.fullmatch(str(value)) else _VEIL


def _without_login(value: str) -> str:
    if "://" in value:
        return _IN_URL.sub(lambda found: (found[1] or "") + _VEIL, value)
    return _AT_HOST.sub(_VEIL, value)


def _is_secret(key: str) -> bool:
    return key.lower() in _SECRET_WORDS or any(word in key.lower() for word in _SECRET)
