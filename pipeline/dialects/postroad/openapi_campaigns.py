"""The campaign operations in the OpenAPI document of Postroad's own API: paths and schemas."""

from pipeline.dialects.postroad import campaign_requests, key_settings, requests, webhooks
from pipeline.dialects.postroad.openapi_blocks import of, operation, paging, parameter
from pipeline.dialects.postroad.openapi_types import (
    CLASS,
    COUNTRY,
    ENCODING,
    FLAG,
    ID,
    MERGE,
    MESSAGE,
    NO_CONTROLS,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    WHOLE,
    WHOLE_OR_NULL,
    Json,
    closed,
    or_null,
    page,
    ref,
)
from schema.campaign import LOCAL_HOURS
from schema.message_class import MessageClass
from schema.order import MAX_RECIPIENTS
from schema.vocabulary import CampaignState, DuplicatePolicy, PauseCause, RowOutcome

_COUNTED = ("recipients", "pending", "sent", "skipped", "left_out", "segments", "replies", "opt_outs")
_STATE: Json = {"enum": [str(each) for each in CampaignState]}
_NUMBER_OR_NULL: Json = {"type": ["number", "null"]}
_ID_OR_NULL: Json = {"type": ["string", "null"], "format": "uuid"}
_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": NO_CONTROLS}
_OTHER: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 64, "description": "Id or name of a campaign."}
#: how often and how fast, in requests and responses
_PACE: Json = {
    "duplicates": {"enum": [str(each) for each in DuplicatePolicy]},
    "not_within_hours": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 720,
        "description": "Leave out those whom the account sent a message to within these hours before.",
    },
    "per_hour": {"type": ["integer", "null"], "minimum": 1, "exclusiveMaximum": 2**31},
    "segments_per_second": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1_000_000},
    "spread_hours": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 8760},
    "local_hours": TEXT_OR_NULL | {"pattern": LOCAL_HOURS},
    "repeat": TEXT_OR_NULL | {"minLength": 1, "maxLength": 200, "description": "A rule of RFC 5545: `FREQ=DAILY`."},
    "time_zone": TEXT_OR_NULL | {"maxLength": 64, "description": "By whose clock it repeats: `Europe/Paris`."},
    "canary": {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000},
}


def paths() -> Json:
    """Return the paths of campaigns."""
    return _definition_paths() | _quote_paths() | _control_paths()


def _control_paths() -> Json:
    scope, refused = key_settings.WRITE_CAMPAIGNS, (404, 409)

    def move(name: str, words: str, asks: str | None = None) -> Json:
        unpaid = () if asks else (402,)
        found = operation(f"{name}Campaign", words, 200, "Campaign", asks=asks, scope=scope, more=(*unpaid, *refused))
        return of(post=_optional(found) if asks else found)

    limits = operation(
        "limitCampaign", "Change its speed; 0: no limit", 200, "Campaign", asks="Limits", scope=scope, more=refused
    )
    counts = operation(
        "getCounts",
        "Count its messages by country and carrier",
        200,
        "CampaignCounts",
        scope=key_settings.READ_CAMPAIGNS,
        more=(404,),
    )
    return {
        "/v1/campaigns/{id}/start": move("start", "Start an approved campaign"),
        "/v1/campaigns/{id}/pause": move("pause", "Pause a campaign", "Stop"),
        "/v1/campaigns/{id}/resume": move("resume", "Resume a paused campaign"),
        "/v1/campaigns/{id}/abort": move("abort", "End a campaign; what no carrier has is cancelled", "Stop"),
        "/v1/campaigns/{id}/end-repeat": move("endRepeatOf", "End the series of a campaign", "Stop"),
        "/v1/campaigns/{id}/limits": of(patch=limits),
        "/v1/campaigns/{id}/counts": of(get=counts),
        "/v1/campaigns/{id}/results": of(
            get=_rows("listResults", "List what became of each recipient, by line", "ResultPage")
        ),
        "/v1/campaigns/{id}/errors": of(
            get=_rows("listErrors", "List the recipients that are not sent, by line", "UnsentPage")
        ),
    }


def _rows(name: str, words: str, answer: str) -> Json:
    """Return an operation that lists recipients as JSON or CSV."""
    found = operation(name, words, 200, answer, scope=key_settings.READ_CAMPAIGNS, more=(404,))
    found["description"] += f" Numbers are masked unless the key has the scope `{key_settings.READ}` too."
    limit: Json = {"type": "integer", "minimum": 1, "maximum": requests.MOST_LINES}
    found["parameters"] = [
        parameter(
            "limit", limit, f"As JSON {requests.PAGE}, and at most {requests.MOST}; as CSV {requests.MOST_LINES}."
        ),
        parameter("cursor", {"type": "string"}, "The `next_cursor` of the page before, or as its `Link` has it."),
        parameter("format", {"enum": ["json", "csv"]}, "Without it, as the header `Accept` says: JSON or `text/csv`."),
    ]
    well = found["responses"]["200"]
    well["content"]["text/csv"] = {"schema": {"type": "string"}}
    well["headers"] = {
        "Link": {
            "description": "Of CSV: the next page, relative to the request's address; the last page has none.",
            "schema": {"type": "string"},
        }
    }
    return found


def _definition_paths() -> Json:
    scope, refused = key_settings.WRITE_CAMPAIGNS, (404, 409)
    create = operation(
        "createCampaign", "Create a campaign", 201, "Campaign", asks="NewCampaign", scope=scope, more=refused
    )
    listed = operation(
        "listCampaigns", "List campaigns, the latest first", 200, "CampaignPage", scope=key_settings.READ_CAMPAIGNS
    )
    listed["parameters"] = list(paging(""))[:2]
    get = operation(
        "getCampaign",
        "Get a campaign and its progress",
        200,
        "Campaign",
        scope=key_settings.READ_CAMPAIGNS,
        more=(404,),
    )
    change = operation(
        "updateCampaign",
        "Change a campaign; its quote is void then",
        200,
        "Campaign",
        asks="CampaignChange",
        scope=scope,
        more=refused,
    )
    words = f"Load a page of up to {MAX_RECIPIENTS:,} recipients, from page 1; the same again changes nothing"
    load = operation("loadRecipients", words, 200, "LoadResult", asks="RecipientPage", scope=scope, more=refused)
    exclude = operation(
        "excludeRecipients",
        "Leave recipients out",
        200,
        "ExclusionResult",
        asks="Exclusion",
        scope=scope,
        more=refused,
    )
    return {
        "/v1/campaigns": {"post": create, "get": listed},
        "/v1/campaigns/{id}": of(get=get, patch=change),
        "/v1/campaigns/{id}/recipients/{page}": _of_two("page", put=load),
        "/v1/campaigns/{id}/exclusions": of(post=exclude),
    }


def _quote_paths() -> Json:
    read, refused = key_settings.READ_CAMPAIGNS, (404, 409)
    check = operation(
        "checkCampaign",
        "Check and price all recipients",
        202,
        "Campaign",
        scope=key_settings.WRITE_CAMPAIGNS,
        more=refused,
    )
    quote = operation("getQuote", "Get the quote", 200, "CampaignQuote", scope=read, more=refused)
    preview = operation(
        "previewRecipient", "Get a message as it would be sent", 200, "Preview", scope=read, more=refused
    )
    approve = operation(
        "approveCampaign",
        "Approve the quote",
        200,
        "Campaign",
        asks="Approval",
        scope=key_settings.APPROVE_CAMPAIGNS,
        more=refused,
    )
    return {
        "/v1/campaigns/{id}/check": of(post=check),
        "/v1/campaigns/{id}/quote": of(get=quote),
        "/v1/campaigns/{id}/previews/{line}": _of_two("line", get=preview),
        "/v1/campaigns/{id}/approve": of(post=_optional(approve)),
    }


def _of_two(name: str, **operations: Json) -> Json:
    """Return the operations of a path with an id and one more parameter, a number."""
    found = of(**operations)
    number = {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]{1,6}$"}}
    return found | {"parameters": [*found["parameters"], number]}


def _optional(found: Json) -> Json:
    return found | {"requestBody": found["requestBody"] | {"required": False}}


def schemas() -> dict[str, Json]:
    """Return the schemas of campaigns."""
    return _requested() | _responded()


def _requested() -> dict[str, Json]:
    share: Json = {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1}
    gates = {
        "min_sample": {"type": "integer", "minimum": 1},
        **dict.fromkeys(("failed", "undelivered", "opted_out"), share),
    }
    definition: Json = (
        MESSAGE
        | _PACE
        | {
            "class": CLASS | {"default": str(MessageClass.BULK)},
            "canary_soak": {"type": "integer", "minimum": 0, "maximum": 7 * 86400},
            "gates": closed(gates, gates),
            "reserve": FLAG | {"description": "Hold the money of the whole quote when it begins."},
        }
    )
    exclusion: Json = {
        "numbers": {
            "type": ["array", "null"],
            "maxItems": campaign_requests.MOST_NUMBERS,
            "items": {"type": "string", "maxLength": 64},
        },
        "recipients_of": _OTHER,
        "not_reached_by": _OTHER,
    }
    pages: Json = {"type": "array", "maxItems": MAX_RECIPIENTS, "description": "As of `SendRequest`, and `time_zone`."}
    limits: Json = {
        "per_hour": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 2**31},
        "segments_per_second": {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 1_000_000},
    }
    return {
        "Limits": closed(limits, limits),
        "Stop": closed({"reason": {"type": ["string", "null"], "maxLength": 200}}, ["reason"]),
        "NewCampaign": closed({"name": _NAME} | definition, definition.keys() - {"sender"}),
        "CampaignChange": closed(definition, definition),
        "RecipientPage": closed({"recipients": pages}),
        "Exclusion": closed(exclusion, exclusion),
        "Approval": closed(
            {"max_cost": TEXT_OR_NULL | {"description": "Refuse a quote above it, such as `12.50`."}}, ["max_cost"]
        ),
    }


def _responded() -> dict[str, Json]:
    counts = dict.fromkeys(_COUNTED, WHOLE)
    waiting: Json = {
        "type": "object",
        "additionalProperties": WHOLE,
        "description": "Messages that no carrier has yet, by what they wait for.",
    }
    fault = closed({"line": WHOLE, "detail": TEXT})
    loaded: Json = dict.fromkeys(("new", "known", "faulty"), WHOLE) | {"faults": {"type": "array", "items": fault}}
    return {
        "Campaign": closed(_campaign()),
        "CampaignEvent": _event(counts | {"cost": ref("Money")}),
        "CampaignPage": page("Campaign"),
        "Progress": closed(counts | {"cost": ref("Money"), "reserved": or_null("Money"), "waiting": waiting}),
        "LoadResult": closed(loaded),
        "ExclusionResult": closed({"left_out": WHOLE, "invalid_numbers": WHOLE}),
        "Preview": _preview(),
        **_quote(),
        **_results(),
    }


def _campaign() -> Json:
    campaign: Json = {
        "id": ID,
        "name": TEXT,
        "state": _STATE,
        "reason": TEXT_OR_NULL,
        "sender": TEXT,
        "class": CLASS,
        "test": FLAG,
        "body": TEXT,
        "template": TEXT_OR_NULL,
        "template_version": WHOLE_OR_NULL | {"description": "Its text is this version of the template."},
        "merge": MERGE,
        "country": COUNTRY,
        **dict.fromkeys(("send_at", "valid_until"), TIME_OR_NULL),
        **_PACE,
        "canary_soak": WHOLE_OR_NULL,
        "gates": {"type": "object"},
        "reserve": FLAG,
        "series_id": _ID_OR_NULL,
        "occurs_on": {"type": ["string", "null"], "format": "date"},
        "next_at": TIME_OR_NULL,
        "repeat_ended": TEXT_OR_NULL,
        "approved_with": _ID_OR_NULL,
        "quote_until": TIME_OR_NULL,
        "max_cost": or_null("Money"),
        "created_by": TEXT,
        "approved_by": TEXT_OR_NULL,
        "created_at": TIME,
        **dict.fromkeys(("approved_at", "started_at", "ended_at"), TIME_OR_NULL),
        "progress": or_null("Progress"),
    }
    return campaign


def _event(counts: Json) -> Json:
    """Return the schema of what a webhook says of a campaign: no texts, and its counts as of the call."""
    shown = {name: each for name, each in _campaign().items() if name not in webhooks.TEXTS}
    cause = {"enum": [*(str(each) for each in PauseCause), None], "description": "What paused it."}
    data = closed(shown | {"progress": closed(counts), "cause": cause})
    return closed({"type": {"enum": list(webhooks.CAMPAIGN_EVENTS.values())}, "timestamp": TIME, "data": data})


def _preview() -> Json:
    preview: Json = {
        "line": WHOLE,
        "to": TEXT,
        **dict.fromkeys(("body", "country", "carrier"), TEXT_OR_NULL),
        "encoding": ENCODING,
        **dict.fromkeys(("segments", "quota_segments"), WHOLE),
        **dict.fromkeys(("error_code", "error"), TEXT_OR_NULL),
        "cost": ref("Money"),
        "due_at": TIME_OR_NULL,
    }
    return closed(preview)


def _results() -> dict[str, Json]:
    statuses = dict.fromkeys(("queued", "sent", "delivered", "failed", "rejected", "cancelled"), WHOLE)
    counted = closed({"name": TEXT, "statuses": closed(statuses), "segments": WHOLE, "revenue": ref("Money")})
    groups: Json = {"type": "array", "items": counted}
    result: Json = {
        "line": WHOLE,
        "correlation_id": TEXT_OR_NULL,
        "to": TEXT,
        "outcome": {"enum": [str(each) for each in RowOutcome]},
        "verdict": TEXT_OR_NULL,
        "detail": TEXT_OR_NULL,
        "message_id": _ID_OR_NULL,
        "status": TEXT_OR_NULL,
        "error_code": TEXT_OR_NULL,
        "carrier": TEXT_OR_NULL,
        "segments": WHOLE_OR_NULL,
        "cost": or_null("Money"),
        **dict.fromkeys(("sent_at", "final_at"), TIME_OR_NULL),
        "replies": WHOLE,
        "opted_out": FLAG | {"description": "Whether one of the replies was a STOP."},
    }
    return {
        "CampaignCounts": closed({"by_country": groups, "by_carrier": groups}),
        "Result": closed(result),
        "ResultPage": page("Result"),
        "Unsent": closed({name: result[name] for name in ("line", "correlation_id", "to", "verdict", "detail")}),
        "UnsentPage": page("Unsent"),
    }


def _quote() -> dict[str, Json]:
    tally: Json = {"messages": WHOLE, "segments": WHOLE, "cost": ref("Money"), "quota_segments": WHOLE}
    tallies: Json = {"type": "array", "items": closed({"name": TEXT} | tally)}
    counted: Json = {"messages": WHOLE, "lines": {"type": "array", "items": WHOLE}}
    character = closed({"character": TEXT, "messages": WHOLE, "line": WHOLE})
    earlier = closed({"name": TEXT, "at": TEXT, "share": {"type": "number"}, "sample": WHOLE})
    quote: Json = {
        "campaign_id": ID,
        "state": _STATE,
        "quoted_at": TIME_OR_NULL,
        "valid_until": TIME_OR_NULL,
        "recipients": WHOLE,
        **tally,
        **dict.fromkeys(("balance", "lacking"), ref("Money")),
        "seconds": _NUMBER_OR_NULL,
        "deferred": WHOLE,
        **dict.fromkeys(("by_country", "by_encoding", "by_carrier"), tallies),
        "skipped": {"type": "array", "items": closed({"code": TEXT} | counted)},
        "repeated": closed(counted),
        "non_gsm7_characters": {"type": "array", "items": character},
        "segments_saved_by_respelling": {"type": "integer"},
        "same_recipients": {"type": "array", "items": earlier},
    }
    return {"CampaignQuote": closed(quote)}
