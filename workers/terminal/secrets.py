"""Secrets in carriers' settings: found by their names, shown as dots, asked for where a `?` stands for one."""

import re
import warnings
from collections.abc import Iterator, Mapping
from getpass import GetPassWarning
from typing import Any

import click

#: names of secrets, by a part of them: headers too are mostly there to let us in
_SECRET = ("token", "pass", "pwd", "secret", "key", "auth", "headers")
_VEIL = "•••"
#: what a URL says of whom it lets in, and its query
_IN_URL = re.compile(r"(://)[^/@]*(?=@)|(?<=\?).*")
#: what stands for a secret that is to be asked for
_ASK = "?"


def masked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without what is secret, however deep: by its name, in a header, or in a URL's query."""
    return {str(key): _VEIL if _is_secret(str(key)) else _veiled(value) for key, value in settings.items()}


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
        elif isinstance(value, str) and "://" in value and _veiled(value) != value:
            yield f"{path}{key}"


def _veiled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked_settings(value)
    if isinstance(value, list):
        return [_veiled(each) for each in value]
    if isinstance(value, str) and "://" in value:
        return _IN_URL.sub(lambda found: (found[1] or "") + _VEIL, value)
    return value


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET)
