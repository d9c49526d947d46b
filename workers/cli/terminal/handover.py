"""Submits a campaign's portions; of a named campaign only those that were not sent under its name before."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import click
from celery import Celery
from kombu.exceptions import OperationalError

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.repeated_orders import RepeatedOrder, give_up, is_alike, state_of
from pipeline.stages.admit import admit
from schema.order import Order
from workers.campaign_file import FilePortion, LineFault, request_ids
from workers.cli.terminal.opened import opened
from workers.cli.terminal.producer_key import key_for
from workers.producer import submit


@dataclass(slots=True)
class HandoverResult:
    """What was submitted."""

    #: recipients by request
    requests: dict[UUID, int] = field(default_factory=dict)
    faults: list[LineFault] = field(default_factory=list)
    #: lines read
    lines: int = 0
    #: the first portion that differs from what was sent under this name: it and the rest was not sent
    conflict: int | None = None


@dataclass(slots=True)
class Handover:
    """Submits portions to the broker, after a check of what was sent under the campaign's name."""

    settings: Settings
    app: Celery
    name: str | None
    #: None: without a name, or without a database
    rt: Runtime | None
    sent: HandoverResult = field(default_factory=HandoverResult)
    _key: str | None = None

    def take(self, portion: FilePortion) -> bool:
        """Submit a portion, or its recipients that were not paid for before; False: it conflicts with the name."""
        pending, tries = portion.order, 0
        while pending is not None:
            order, asked = pending, replace(portion, order=pending)
            stands = self._standing(asked)
            if stands.request is None:
                self.sent.conflict = portion.number
                return False
            if not stands.is_taken:
                self._submit(order, stands.request)
            self.sent.requests[stands.request] = len(order.recipients) - len(stands.unpaid)
            tries += 1
            pending = _rest(order, stands.unpaid, f"{self.name}/{portion.number}+{tries}") if stands.unpaid else None
        self.sent.faults += portion.faults
        self.sent.lines += portion.lines
        return True

    def _standing(self, portion: FilePortion) -> RepeatedOrder:
        order = portion.order
        assert order
        if self.name is None:
            return RepeatedOrder(uuid4())
        ids = request_ids(portion, self.name)
        if self.rt is None:
            return RepeatedOrder(ids[0])
        assert order.idempotency_key
        stands = state_of(self.rt, order.account, order.idempotency_key, ids)
        if stands.holder and is_same(self.rt, order, stands.holder, at_any_time=True):
            return RepeatedOrder(stands.holder, is_taken=True)
        return stands

    def _submit(self, order: Order, request: UUID) -> None:
        if self._key is None:
            self._key = key_for(self.settings, order.account)
        try:
            submit(order, request=request, app=self.app, key=self._key)
        except OperationalError:
            if self.rt and order.idempotency_key:
                with suppress(DatabaseFault):
                    give_up(self.rt, order.account, order.idempotency_key, request)
            raise


def _rest(order: Order, places: frozenset[int], key: str) -> Order:
    """Return an order of the recipients that were not paid for, under a key of its own."""
    recipients = [each for place, each in enumerate(order.recipients) if place in places]
    return order.model_copy(update={"recipients": recipients, "idempotency_key": key})


def is_same(rt: Runtime, order: Order, request: UUID, *, at_any_time: bool = False) -> bool:
    """Whether an order means the same messages as a request, however written (`at_any_time`: ignoring times)."""
    [admission] = admit(rt, [(uuid4(), order)])
    return is_alike(rt, admission, request, at_any_time=at_any_time)


@contextmanager
def handover(settings: Settings, app: Celery, name: str | None) -> Iterator[Handover]:
    """Yield the object that submits portions."""
    if name is None:
        yield Handover(settings, app, None, None)
    elif not settings.database_url.get_secret_value():
        click.echo("DATABASE_URL is not set: cannot check whether the name was used for other lines", err=True)
        yield Handover(settings, app, name, None)
    else:
        with opened(settings) as rt:
            yield Handover(settings, app, name, rt)
