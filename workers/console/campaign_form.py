"""The form of a campaign's definition: its fields as people write them, and the definition that they make."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData

from schema.campaign import Campaign
from schema.message import Refusal
from schema.vocabulary import Code

#: share of a gate → the field with its percentage
GATES = {"failed": "max_failed", "undelivered": "max_undelivered", "opted_out": "max_opted_out"}
_TEXTS = ("name", "sender", "template", "country", "class", "duplicates", "repeat")
_TIMES = ("send_at", "valid_until")
_WHOLE = ("not_within_hours", "per_hour", "canary", "canary_soak", "min_sample")
_DECIMAL = ("segments_per_second", "spread_hours", *GATES.values())
_SWITCHES = ("test", "reserve")
#: seconds after the canary where the form does not say
_SOAK = 300


@dataclass(frozen=True, slots=True)
class GivenDefinition:
    """What the fields of the form say."""

    #: by the names of `CampaignDefinition`; what is empty is None
    wanted: dict[str, Any]
    faults: list[Refusal]


def empty_values() -> dict[str, str]:
    """Return the fields of an empty form."""
    names = (*_TEXTS, *_TIMES, *_WHOLE, *_DECIMAL, *_SWITCHES, "body", "fields", "hours_from", "hours_until")
    return dict.fromkeys(names, "") | {"class": "bulk", "duplicates": "drop"}


def form_values(form: FormData) -> dict[str, str]:
    """Return the fields of a form that was posted, as it had them."""
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    # browsers send the line breaks of a text as CR LF (HTML 4.10.21.4)
    found = {name: given.get(name, "").replace("\r\n", "\n") for name in empty_values()}
    return {name: value if name in ("body", "fields") else value.strip() for name, value in found.items()}


def campaign_values(campaign: Campaign, zone: str) -> dict[str, str]:
    """Return the fields of the form that shows a campaign's definition, with times in a zone."""
    plain = {name: getattr(campaign, name) for name in (*_TEXTS, *_WHOLE, *_DECIMAL) if hasattr(campaign, name)}
    found = {name: _written(value) for name, value in plain.items()}
    hours = (campaign.local_hours or "-").split("-")
    gates = {field: campaign.gates.get(name) for name, field in GATES.items()}
    return {
        **empty_values(),
        **found,
        **{name: _local(getattr(campaign, name), zone) for name in _TIMES},
        **{name: _written(share and 100 * share) for name, share in gates.items()},
        **{name: "1" if getattr(campaign, name) else "" for name in _SWITCHES},
        "min_sample": str(campaign.gates.get("min_sample") or ""),
        "body": campaign.body,
        "class": str(campaign.message_class),
        "fields": "\n".join(f"{name}={value}" for name, value in campaign.merge.items()),
        "hours_from": hours[0],
        "hours_until": hours[1],
    }


def read_values(values: Mapping[str, str], zone: str) -> GivenDefinition:
    """Return what the fields say, and what is wrong with those that are no number, no time or no merge field."""
    faults: list[Refusal] = []

    def read(name: str, parse: Callable[[str], Any], words: str) -> Any:
        try:
            return parse(values[name]) if values[name] else None
        except ValueError:
            faults.append(Refusal(Code.INVALID_FIELD, words, name))
            return None

    wanted: dict[str, Any] = {name: values[name] or None for name in _TEXTS}
    wanted |= {name: read(name, int, "write a whole number") for name in _WHOLE}
    wanted |= {name: read(name, _decimal, "write a number") for name in _DECIMAL}
    wanted |= {name: read(name, lambda text: _moment(text, zone), "write a date and a time") for name in _TIMES}
    wanted |= {name: bool(values[name]) for name in _SWITCHES}
    wanted["merge"] = read("fields", _fields, "write a line name=value for each field") or {}
    wanted["body"] = values["body"] or None
    if not (wanted["body"] or wanted["template"]):
        faults.append(Refusal(Code.MISSING_FIELD, "write a text, or choose a template", "body"))
    return GivenDefinition(_defined(wanted, values, zone), faults)


def _defined(wanted: dict[str, Any], values: Mapping[str, str], zone: str) -> dict[str, Any]:
    """Return fields as a definition has them: a template goes before a text, hours are one field."""
    hours, gates = (values["hours_from"], values["hours_until"]), _gates(wanted)
    return wanted | {
        "body": None if wanted["template"] else wanted["body"],
        "country": wanted["country"] and wanted["country"].upper(),
        "canary_soak": _SOAK if wanted["canary_soak"] is None else wanted["canary_soak"],
        "gates": gates,
        "local_hours": "-".join(hours) if any(hours) else None,
        "time_zone": zone if wanted["repeat"] else None,
    }


def changes_of(campaign: Campaign, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form changes in a campaign's definition; its text counts only if it is another one.

    A campaign keeps the text that its template had, until another template or a text of its own is chosen.
    """
    changes = {name: value for name, value in wanted.items() if name not in ("account", "name")}
    is_same_template = campaign.template is not None and changes["template"] == campaign.template
    is_same_text = campaign.template is None and changes["body"] == campaign.body
    if is_same_template or is_same_text:
        del changes["template"], changes["body"]
    elif changes["template"] is None:
        del changes["template"]
    else:
        del changes["body"]
    if campaign.series_id not in (None, campaign.id):
        del changes["repeat"], changes["time_zone"]
    elif campaign.repeat == changes["repeat"]:
        changes["time_zone"] = campaign.time_zone
    return changes


def _gates(wanted: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of the gates out of a form's, and return them as a definition has them."""
    shares = {name: wanted.pop(field) for name, field in GATES.items()}
    found = {name: share / 100 for name, share in shares.items() if share is not None}
    sample = wanted.pop("min_sample")
    return found if sample is None else found | {"min_sample": sample}


def _written(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _decimal(text: str) -> float:
    return float(text.replace(",", "."))


def _moment(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def _local(at: datetime | None, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M") if at else ""


def _fields(text: str) -> dict[str, str]:
    found = {}
    for line in filter(str.strip, text.split("\n")):
        name, equals, value = line.partition("=")
        if not (equals and name.strip()):
            raise ValueError
        found[name.strip()] = value
    return found
