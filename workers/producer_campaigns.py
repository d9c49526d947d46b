"""Campaigns by Celery: what producers create, load and control through the broker.

A message that is invalid, or that the campaign's state does not allow, becomes a dead letter. One that came before what
it needs (a page before its campaign, a check before the last page) is tried again for a while. The same message again
changes nothing.
"""

import json
import logging
from typing import Any
from uuid import UUID

from pipeline.errors import AlreadyExists, Conflict, InsufficientFunds, InvalidInput, NotFound
from pipeline.runtime import Runtime, acting
from pipeline.stages import dead_letters
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.create import create
from pipeline.stages.campaigns.find import find, progress
from pipeline.stages.campaigns.load import load_page
from pipeline.stages.campaigns.producers import count_wait, is_done, note_done, requires_seal
from pipeline.stages.campaigns.series import end_repeat, read_series
from pipeline.stages.unseal import Unsealer
from schema.actor import Actor
from schema.campaign import Campaign, CampaignDefinition
from schema.campaign_requests import CampaignControl, CampaignOperation, CampaignPage, CampaignRequest, read_request
from schema.dead_letter import DeadLetter
from schema.message import Refusal
from schema.vocabulary import ActorKind, CampaignState, DeadLetterSource
from workers import campaign_wiring
from workers.queues import CAMPAIGN

log = logging.getLogger(__name__)

#: seconds for which a message that came too early is tried again
LONGEST_WAIT = 60
#: bytes kept of a dead letter
_LARGEST = 16 * 1024
_unsealer = Unsealer()

#: why a message becomes a dead letter
INVALID, UNAUTHENTICATED, UNKNOWN, CONFLICT = (
    "campaign_invalid",
    "campaign_unauthenticated",
    "campaign_unknown",
    "campaign_conflict",
)


class TooEarly(Exception):
    """What the message needs is not there yet."""


def take_request(rt: Runtime, task: str, task_id: str, request: UUID, given: Any) -> None:
    """Do what a producer asks of a campaign, or keep it as a dead letter; TooEarly: it must be tried again."""
    opened = _unsealer.open(rt, task_id, given)
    if isinstance(opened, Refusal):
        _reject(rt, request, UNAUTHENTICATED, opened.message, given)
        return
    content, sealed_for = opened
    asked = read_request(task, content)
    if asked is None:
        _reject(rt, request, INVALID, "it is not what the task takes", given)
        return
    before = acting.set(Actor(ActorKind.SYSTEM, "producer", "broker", task))
    try:
        if sealed_for is None and requires_seal(rt, asked.account):
            _reject(rt, request, UNAUTHENTICATED, "the account takes what is sealed with a producer key", given)
        elif sealed_for not in (None, asked.account):
            _reject(rt, request, UNAUTHENTICATED, "the key it is sealed with is another account's", given)
        elif not is_done(rt, request):
            _do(rt, asked)
            note_done(rt, request)
    except (TooEarly, NotFound) as error:
        if count_wait(rt, request) < LONGEST_WAIT:
            raise TooEarly from None
        _reject(rt, request, UNKNOWN, str(error), given)
    except (AlreadyExists, Conflict, InsufficientFunds) as error:
        _reject(rt, request, CONFLICT, str(error), given)
    except InvalidInput as error:
        _reject(rt, request, INVALID, str(error), given)
    finally:
        acting.reset(before)


def _do(rt: Runtime, asked: CampaignRequest) -> None:
    match asked:
        case CampaignDefinition():
            _create(rt, asked)
        case CampaignPage():
            load_page(rt, find(rt, asked.account, asked.campaign).id, asked.page, asked.recipients)
        case CampaignControl():
            _operate(rt, find(rt, asked.account, asked.campaign), asked)


def _create(rt: Runtime, asked: CampaignDefinition) -> None:
    try:
        create(rt, asked)
    except AlreadyExists:
        if not _is_same(find(rt, asked.account, asked.name), asked):
            raise


def _is_same(campaign: Campaign, asked: CampaignDefinition) -> bool:
    """Tell whether a campaign is the one that a definition made, as far as its text, sender and times tell."""
    names = (
        *("sender", "template", "message_class", "test", "country", "send_at", "valid_until", "canary", "duplicates"),
        *("repeat", "time_zone"),
    )
    is_same_text = asked.body in (None, campaign.body)
    return is_same_text and all(getattr(campaign, name) == getattr(asked, name) for name in names)


#: operation → the states in which it has been done already
_DONE = {
    CampaignOperation.CHECK: {CampaignState.CHECKING, CampaignState.QUOTED, CampaignState.FAILED},
    CampaignOperation.START: {CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.FINISHED},
    CampaignOperation.PAUSE: {CampaignState.PAUSED},
    CampaignOperation.RESUME: {CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.FINISHED},
    CampaignOperation.ABORT: {CampaignState.ABORTED},
    CampaignOperation.END_REPEAT: set(),
}


def _operate(rt: Runtime, campaign: Campaign, asked: CampaignControl) -> None:
    if campaign.state in _DONE[asked.operation]:
        return
    match asked.operation:
        case CampaignOperation.CHECK:
            if asked.rows is not None and progress(rt, campaign.id).rows < asked.rows:
                raise TooEarly(f"campaign {campaign.name!r} has less than {asked.rows:,} rows")
            start_check(rt, campaign.id)
        case CampaignOperation.START:
            control.start(rt, campaign.id)
        case CampaignOperation.PAUSE:
            control.pause(rt, campaign.id, asked.reason)
        case CampaignOperation.RESUME:
            control.resume(rt, campaign.id)
        case CampaignOperation.ABORT:
            campaign_wiring.abort(rt, campaign.id, asked.reason)
        case CampaignOperation.END_REPEAT:
            series = read_series(rt, campaign)
            if series is None or series.first.repeat_ended is None:
                end_repeat(rt, campaign.id, asked.reason)


def _reject(rt: Runtime, request: UUID, reason: str, words: str, given: Any) -> None:
    line = "a message in %(queue)s was rejected: %(reason)s, id %(request)s: %(words)s"
    log.error(line, {"queue": CAMPAIGN, "reason": reason, "request": request, "words": words})
    payload = json.dumps(given, ensure_ascii=False, default=str).encode(errors="replace")
    letter = DeadLetter(DeadLetterSource.BROKER, CAMPAIGN, reason, payload[:_LARGEST], len(payload))
    dead_letters.keep(rt, [letter])
