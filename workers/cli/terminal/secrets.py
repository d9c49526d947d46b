"""Secrets in carriers' settings: recognised by name, masked in output, prompted for where the value is `?`."""

import re
import warnings
from collections.abc import Iterator, Mapping
from getpass import GetPassWarning
from typing import Any

import click

from pipeline.stages.admin.carriers import request_parts

#: parts of names of secrets; headers are included, because they mostly authenticate
_SECRET = ("token", "pass", "pwd", "psw", "secret", "key", "auth", "cred", "cookie", "bearer", "headers")
#: whole names of secrets, which as parts would match harmless names
_SECRET_WORDS = ("pin", "pw", "sig")
#: parts of carriers' requests, whose literal values may be passwords
_REQUESTS = request_parts()
#: only placeholders that are filled in for each message
_FILLED = re.compile(r"(\$\{[^{}]*\}|\W)*")
_MASK = "•••"
#: the user information and the query of a URL; and user information before a host
_IN_URL = re.compile(r"(://)[^/@]*(?=@)|(?<=\?).*")
_AT_HOST = re.compile(r"^[^/@\s]*:[^/@\s]*(?=@)")
#: the value that asks for a prompt
_ASK = "?"


def masked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with secrets masked at any depth: by name, in headers, and in URLs."""
    return {str(key): _MASK if _is_secret(str(key)) else _masked(value, str(key)) for key, value in settings.items()}


def secrets_in(settings: Mapping[str, Any]) -> list[str]:
    """Return the paths of secrets given in plain text, at any depth: `receipts.proof.secret`."""
    return list(_spelt_out(settings, ""))


def ask_for(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return settings with each `?` replaced by hidden input from the terminal."""
    return {str(key): _asked(value, f"{path}{key}") for key, value in settings.items()}


def _asked(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return ask_for(value, f"{path}.")
    return _typed(path) if value == _ASK else value


def _typed(path: str) -> Any:
    """Return hidden input from the terminal, or a line of stdin without one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GetPassWarning)
        try:
            return click.prompt(path, hide_input=True, err=True)
        except click.Abort as error:
            if isinstance(error.__context__, EOFError):
                raise click.UsageError(f"{path} is ?, and there is no terminal or input to read it from") from None
            raise


def _spelt_out(settings: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in settings.items():
        if _is_secret(str(key)) and value not in ("", _ASK, {}, None):
            yield f"{path}{key}"
        elif isinstance(value, Mapping):
            yield from _spelt_out(value, f"{path}{key}.")
        elif isinstance(value, str) and _without_login(value) != value:
            yield f"{path}{key}"


def _masked(value: Any, key: str = "") -> Any:
    if key in _REQUESTS:
        return _filled(value)
    if isinstance(value, Mapping):
        return masked_settings(value)
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return _without_login(value) if isinstance(value, str) else value


def _filled(value: Any) -> Any:
    """Return a request's part with literal values masked: they cannot be told from passwords."""
    if isinstance(value, Mapping):
        return {str(key): _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return value if value is None or isinstance(value, bool) or _FILLED.fullmatch(str(value)) else _MASK


def _without_login(value: str) -> str:
    if "://" in value:
        return _IN_URL.sub(lambda found: (found[1] or "") + _MASK, value)
    return _AT_HOST.sub(_MASK, value)


def _is_secret(key: str) -> bool:
    return key.lower() in _SECRET_WORDS or any(word in key.lower() for word in _SECRET)
