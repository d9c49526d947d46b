"""Admit: validate orders: account, sender, text, numbers, routes, consent and quiet hours, for each recipient."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.api.idempotency import fingerprint
from pipeline.rules.consent import send_window
from pipeline.rules.consent.send_permission import SendPermission, apply_permission
from pipeline.rules.numbers import phones, senders
from pipeline.rules.numbers.phones import Phone
from pipeline.rules.numbers.sandbox_numbers import SANDBOX_NUMBERS
from pipeline.rules.routing.routes import TEST_CARRIER, RouteQuery, RouteTable
from pipeline.rules.text import segments, templates
from pipeline.runtime import Runtime
from pipeline.store import accounts, batches, routing_snapshot
from pipeline.store.accounts import Account, TemplateText
from pipeline.store.consent import opt_outs
from pipeline.store.routing_snapshot import RouteChoice
from schema.message import Admission, Draft, Refusal
from schema.message_class import MessageClass
from schema.order import Order, Recipient
from schema.vocabulary import AccountState, Code

#: maximum length of a rendered body, in characters
MAX_BODY = 1600

Asked = tuple[UUID, Order | list[Refusal]]


@dataclass(frozen=True, slots=True)
class _Known:
    """The orders' accounts, route choices and templates, as read from the database."""

    accounts: dict[str, Account]
    choices: dict[int, RouteChoice]
    #: account → id of the stored routing snapshot of its choice
    kept: dict[int, int]
    texts: dict[tuple[int, str], TemplateText]
    #: whether the orders came through a vendor's API
    by_api: bool
    #: the database's time, where one of the accounts has quiet hours
    clock: datetime | None


def admit(rt: Runtime, asked: Sequence[Asked], *, by_api: bool = False) -> list[Admission]:
    """Validate each order (request id, Order or the faults of reading it); return an admission for each, in order.

    `by_api`: whether they came through a vendor's API.
    """
    known = _look_up(rt, [order for _, order in asked if isinstance(order, Order)], by_api=by_api)
    now = rt.now()
    judged = [
        _refused(rt, request, order) if isinstance(order, list) else _judge(rt, request, order, known, now)
        for request, order in asked
    ]
    return _apply_permission(rt, judged, known, rt.common_time(known.clock) if known.clock else now)


def _look_up(rt: Runtime, orders: Sequence[Order], *, by_api: bool) -> _Known:
    with rt.read_only() as conn:
        found = accounts.find(conn, (order.account for order in orders))
        choices = routing_snapshot.choices(
            conn, rt.snapshots, [account.id for account in found.values()], rt.unhealthy()
        )
        kept = {account: routing_snapshot.keep(conn, rt.snapshots, choice) for account, choice in choices.items()}
        wanted = {(found[o.account].id, o.template) for o in orders if o.template and o.account in found}
        texts = accounts.templates(conn, wanted)
        clock = batches.clock(conn) if any(account.permission.quiet for account in found.values()) else None
    return _Known(found, choices, kept, texts, by_api, clock)


def _refused(
    rt: Runtime, request: UUID, refusals: list[Refusal], order: Order | None = None, *, by_api: bool = False
) -> Admission:
    return Admission(
        request=request,
        first=rt.new_ids(),
        account=None,
        message_class=order.message_class if order else MessageClass.TRANSACTIONAL,
        sender="",
        test=bool(order and order.test),
        recipients=len(order.recipients) if order else 0,
        door=order.door if order else None,
        by_api=by_api,
        drafts=[],
        refusals=refusals,
    )


def _judge(rt: Runtime, request: UUID, order: Order, known: _Known, now: datetime) -> Admission:
    account = known.accounts.get(order.account)
    if account is None:
        fault = Refusal(Code.ACCOUNT_UNKNOWN, f"there is no account {order.account!r}", "account")
        return _refused(rt, request, [fault], order, by_api=known.by_api)
    template = known.texts.get((account.id, order.template or ""))
    text = order.body if order.body is not None or template is None else template.body
    faults = [*_faults_of_account(account, order), *_faults_of_window(rt, order, now)]
    if text is None:
        faults.append(Refusal(Code.TEMPLATE_UNKNOWN, f"the account has no template {order.template!r}", "template"))
    admission = replace(
        _refused(rt, request, faults, order, by_api=known.by_api),
        account=account.id,
        sender=order.sender,
        idempotency_key=order.idempotency_key,
        fingerprint=fingerprint(order, by_api=known.by_api),
    )
    if faults or text is None:
        return admission
    routes = known.choices[account.id].table
    drafts, refusals = _split(_drafts(rt, order, text, routes, account.countries.get(order.sender)))
    return replace(
        admission,
        drafts=drafts,
        refusals=refusals,
        send_at=order.send_at,
        valid_until=order.valid_until,
        skips_opt_outs=order.skip_opt_outs,
        template=(template.id, template.version) if template else None,
        snapshot=None if order.test else known.kept[account.id],
    )


def _apply_permission(rt: Runtime, judged: Sequence[Admission], known: _Known, now: datetime) -> list[Admission]:
    """Refuse recipients that have opted out or are in a forbidden country, and defer or refuse those in quiet hours."""
    of = {
        account.id: account.permission for account in known.accounts.values() if account.permission != SendPermission()
    }
    asked = [
        (place, draft)
        for place, admission in enumerate(judged)
        if admission.account in of and of[admission.account].has_opt_outs
        for draft in admission.drafts
    ]
    opted_out: defaultdict[int, set[int]] = defaultdict(set)
    if asked:
        with rt.read_only() as conn:
            for found in opt_outs.refused(conn, [_pending_send(judged[place], draft) for place, draft in asked]):
                place, draft = asked[found]
                opted_out[place].add(draft.index)
    return [
        apply_permission(each, of[each.account], opted_out[place], now) if each.account in of and each.drafts else each
        for place, each in enumerate(judged)
    ]


def _pending_send(admission: Admission, draft: Draft) -> opt_outs.PendingSend:
    assert admission.account is not None
    return opt_outs.PendingSend(
        admission.account, draft.phone, admission.sender, str(admission.message_class), admission.skips_opt_outs
    )


def _faults_of_account(account: Account, order: Order) -> Iterator[Refusal]:
    if account.state is not AccountState.ACTIVE:
        yield Refusal(Code.ACCOUNT_SUSPENDED, f"the account {account.name!r} is {account.state}", "account")
    if account.sealed_orders and order.is_unsealed:
        yield Refusal(Code.UNAUTHENTICATED, "this account takes orders that are sealed with a producer key", "account")
    yield from senders.faults(account.senders, order.sender, test=order.test)


def _faults_of_window(rt: Runtime, order: Order, now: datetime) -> list[Refusal]:
    return send_window.judge(
        order.send_at,
        order.valid_until,
        made_at=min(order.submitted_at or now, now),
        now=now,
        lead=timedelta(days=rt.settings.lead_days),
    )


def _drafts(
    rt: Runtime, order: Order, text: str, routes: RouteTable, served: frozenset[str] | None
) -> Iterator[Draft | Refusal]:
    """Yield for each recipient its draft or why it is refused; `served`: the sender's countries, None: everywhere."""
    strict = rt.settings.strict_numbers and not order.test
    numbers = phones.normalise((recipient.to for recipient in order.recipients), order.country)
    bodies = templates.render_all(
        templates.compile(text), order.merge, (each.merge for each in order.recipients), MAX_BODY
    )
    for index, (recipient, read, body) in enumerate(zip(order.recipients, numbers, bodies, strict=True)):
        if read is None or recipient.country is not None or (strict and not read.known):
            number = _placed(order, index, recipient, read, strict=strict)
        else:
            number = read
        if isinstance(number, Refusal):
            yield number
        elif not isinstance(body, str) or len(body) > MAX_BODY or not body.strip():
            yield _body_fault(index, body)
        elif served is not None and number.country not in served:
            words = f"the sender is not approved for {_place(number)}"
            yield _fault(index, "sender", Code.SENDER_INVALID, words)
        else:
            yield _draft(order, routes, index, number, body)


def _place(number: phones.Phone) -> str:
    return number.country or "numbers of no one country"


def _draft(order: Order, routes: RouteTable, index: int, number: phones.Phone, body: str) -> Draft | Refusal:
    """Return a recipient's draft, or a refusal when no carrier serves the number."""
    carrier = _carrier(order, routes, number.e164, number.country, body)
    if carrier is None:
        words = f"no carrier serves {_place(number)}; add a route for it"
        return _fault(index, "to", Code.NO_ROUTE, words)
    return Draft(index, number.e164, number.country, body, carrier, order.recipients[index].correlation_id)


def _body_fault(index: int, body: str | templates.Missing) -> Refusal:
    if not isinstance(body, str):
        names = ", ".join(body.names)
        return _fault(index, "merge", Code.MERGE_FIELD_MISSING, f"the text needs these merge fields: {names}")
    if len(body) > MAX_BODY:
        return _fault(index, "merge", Code.BODY_TOO_LONG, f"the text is longer than {MAX_BODY} characters")
    return _fault(index, "merge", Code.BODY_EMPTY, "the text is empty once its merge fields are filled")


def _placed(order: Order, index: int, recipient: Recipient, number: Phone | None, *, strict: bool) -> Phone | Refusal:
    """Return a recipient's number with its country, or why it is refused.

    The recipient's `country` decides where a national number is dialled, and between the countries that share the
    number's calling code; it is refused if it contradicts the number.
    """
    country = recipient.country
    if country and (number is None or "+" not in recipient.to):
        [number] = phones.normalise([recipient.to], country)
    if number is None and order.test and recipient.to in SANDBOX_NUMBERS:
        return Phone(recipient.to, country or "", known=True)
    if number is None:
        return _fault(index, "to", Code.PHONE_INVALID, phones.phone_fault(recipient.to, country or order.country))
    if strict and not number.known:
        words = f"no range of numbers{' of ' * bool(number.country)}{number.country} that is known has it"
        return _fault(index, "to", Code.PHONE_INVALID, words)
    if country is None:
        return number
    sharing = phones.sharing(number.e164)
    if country not in sharing:
        words = (
            f"the number is not one of {country}: its calling code is that of {', '.join(sharing[:3]) or 'no country'}"
        )
        return _fault(index, "country", Code.INVALID_FIELD, words)
    return number._replace(country=country)


def _carrier(order: Order, routes: RouteTable, phone: str, country: str, body: str) -> str | None:
    if order.test:
        return TEST_CARRIER
    ask = RouteQuery(phone, country, order.sender, segments.encoding(body) if routes.depends_on_encoding else None)
    # if all carriers that serve it are drained, its batch is held at the claim, like those accepted before the drain
    return routes.first(ask) or routes.first_if_resumed(ask)


def _fault(index: int, field: str, code: Code, message: str) -> Refusal:
    return Refusal(code, message, f"recipients[{index}].{field}", index)


def _split(judged: Iterator[Draft | Refusal]) -> tuple[list[Draft], list[Refusal]]:
    drafts: list[Draft] = []
    refusals: list[Refusal] = []
    for each in judged:
        if isinstance(each, Draft):
            drafts.append(each)
        else:
            refusals.append(each)
    return drafts, refusals
