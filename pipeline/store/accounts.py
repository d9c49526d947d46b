"""The accounts, sender_ids and templates tables: account state, currency, sender ids, countries, templates."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import NotFound
from pipeline.rules.consent.send_permission import SendPermission
from pipeline.store import template_versions
from pipeline.store.consent import send_permission
from schema.api_views import AccountBalance
from schema.vocabulary import AccountState, SenderState


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its sender ids."""

    id: int
    name: str
    state: AccountState
    currency: str
    senders: dict[str, SenderState] = field(default_factory=dict)
    #: sender → its countries, for sender ids that are limited to some
    countries: dict[str, frozenset[str]] = field(default_factory=dict)
    permission: SendPermission = field(default_factory=SendPermission)
    #: whether its orders from the broker must be sealed
    sealed_orders: bool = False


_FIND = f"""
SELECT a.id, a.name, a.state, a.currency, a.sealed_orders,
       (SELECT coalesce(json_object_agg(sender, s.state), '{{}}') FROM sender_ids AS s WHERE s.account_id = a.id),
       (SELECT coalesce(json_object_agg(sender, s.countries), '{{}}') FROM sender_ids AS s
        WHERE s.account_id = a.id AND s.countries <> '{{}}'),
       {send_permission.COLUMNS}
FROM accounts AS a WHERE a.name = ANY(%(names)s)
"""


def find(conn: Connection, names: Iterable[str]) -> dict[str, Account]:
    """Return the accounts with these names, by name; unknown names are left out."""
    rows = conn.exec_driver_sql(_FIND, {"names": sorted(set(names))})
    return {
        name: Account(
            id_,
            name,
            AccountState(state),
            currency,
            {word: SenderState(s) for word, s in senders.items()},
            {word: frozenset(some) for word, some in countries.items()},
            send_permission.read(held_back),
            sealed_orders,
        )
        for id_, name, state, currency, sealed_orders, senders, countries, *held_back in rows
    }


def named(conn: Connection, name: str) -> Account:
    """Return the account with that name. NotFound when there is none."""
    found = find(conn, [name]).get(name)
    if found is None:
        raise NotFound(f"there is no account {name!r}: `postroad account list` shows them")
    return found


def all_ids(conn: Connection) -> list[int]:
    """Return the ids of all accounts."""
    return list(conn.exec_driver_sql("SELECT id FROM accounts").scalars())


def names(conn: Connection) -> dict[str, int]:
    """Return the id of each account by its name, in the order of their names."""
    return {row.name: row.id for row in conn.exec_driver_sql("SELECT id, name FROM accounts ORDER BY name")}


_CREATE = "INSERT INTO accounts (name, currency) VALUES (%(name)s, %(currency)s) ON CONFLICT DO NOTHING RETURNING id"
_WALLET = "INSERT INTO wallets (account_id) VALUES (%(account)s) ON CONFLICT DO NOTHING"


def create(conn: Connection, name: str, currency: str) -> int | None:
    """Create an account with an empty wallet; return its id, or None when the name is taken."""
    account = conn.exec_driver_sql(_CREATE, {"name": name, "currency": currency}).scalar()
    if account is not None:
        conn.exec_driver_sql(_WALLET, {"account": account})
    return account


_SUBSCRIBE = "UPDATE accounts SET subscribes = %(on)s WHERE id = %(account)s"


def subscribe(conn: Connection, account: int, on: bool) -> None:
    """Enable or disable the events of an account's messages."""
    conn.exec_driver_sql(_SUBSCRIBE, {"account": account, "on": on})


_SET_STATE = "UPDATE accounts SET state = %(state)s WHERE id = %(account)s"


def set_state(conn: Connection, account: int, state: AccountState) -> None:
    """Set an account's state: active or suspended."""
    conn.exec_driver_sql(_SET_STATE, {"account": account, "state": str(state)})


_SET_COUNTRIES = "UPDATE accounts SET countries = %(countries)s::text[] WHERE id = %(account)s"


def set_countries(conn: Connection, account: int, countries: Sequence[str]) -> None:
    """Limit an account to these destination countries; an empty sequence removes the limit."""
    conn.exec_driver_sql(_SET_COUNTRIES, {"account": account, "countries": list(countries)})


_FOUR_EYES = "SELECT four_eyes_above FROM accounts WHERE id = %(account)s"
_SET_FOUR_EYES = "UPDATE accounts SET four_eyes_above = %(amount)s WHERE id = %(account)s"


def four_eyes_above(conn: Connection, account: int) -> int | None:
    """Return above which cost, in minor units, another actor than its creator approves a campaign; None: never."""
    amount: int | None = conn.exec_driver_sql(_FOUR_EYES, {"account": account}).scalar_one()
    return amount


def set_four_eyes(conn: Connection, account: int, amount: int | None) -> None:
    """Set above which cost, in minor units, another actor than its creator approves a campaign; None: never."""
    conn.exec_driver_sql(_SET_FOUR_EYES, {"account": account, "amount": amount})


_SET_ALERT = "UPDATE accounts SET alert_below = %(amount)s WHERE id = %(account)s"


def set_alert_below(conn: Connection, account: int, amount: int | None) -> None:
    """Set below how many minor units, credit included, operators are alerted about its wallet; None: never."""
    conn.exec_driver_sql(_SET_ALERT, {"account": account, "amount": amount})


_SENDER = """
INSERT INTO sender_ids AS s (account_id, sender, state, reason, countries)
VALUES (%(account)s, %(sender)s, %(state)s, %(reason)s, coalesce(%(countries)s::text[], '{}'))
ON CONFLICT (account_id, sender) DO UPDATE
SET state = excluded.state, reason = excluded.reason, countries = coalesce(%(countries)s::text[], s.countries)
"""


def set_sender(
    conn: Connection,
    account: int,
    sender: str,
    state: SenderState = SenderState.APPROVED,
    reason: str | None = None,
    countries: Sequence[str] | None = None,
) -> None:
    """Register a sender id, or set its state with a reason.

    `countries` limits its destinations; empty: no limit, None: unchanged.
    """
    params = {"account": account, "sender": sender, "state": str(state), "reason": reason}
    params |= {"countries": None if countries is None else sorted(set(countries))}
    conn.exec_driver_sql(_SENDER, params)


_TEMPLATE = """
INSERT INTO templates (account_id, slug, body) VALUES (%(account)s, %(slug)s, %(body)s)
ON CONFLICT (account_id, slug) DO UPDATE SET body = excluded.body, syntax = excluded.syntax,
    version = templates.version + ((templates.body, templates.syntax) <> (excluded.body, excluded.syntax))::int
RETURNING id, version
"""


def set_template(conn: Connection, account: int, slug: str, body: str, by: str) -> tuple[UUID, int]:
    """Create a template or replace its body; return its id and the version of its text. `by`: the actor."""
    row = conn.exec_driver_sql(_TEMPLATE, {"account": account, "slug": slug, "body": body}).one()
    template_versions.keep(conn, row.id, by)
    return row.id, row.version


@dataclass(frozen=True, slots=True)
class TemplateText:
    """The present text of a template."""

    id: UUID
    version: int
    body: str


_TEMPLATES = """
SELECT account_id, slug, id, version, body FROM templates
WHERE syntax = 'merge'
  AND ((account_id, slug) IN (SELECT * FROM unnest(%(accounts)s::int4[], %(words)s::text[]))
       OR (account_id, id::text) IN (SELECT * FROM unnest(%(accounts)s::int4[], %(words)s::text[])))
"""


def templates(conn: Connection, wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], TemplateText]:
    """Return the texts of the (account, slug or id) pairs that exist and whose merge fields are written `${name}`."""
    if not wanted:
        return {}
    params = {"accounts": [account for account, _ in wanted], "words": [word for _, word in wanted]}
    texts = {}
    for account, slug, id_, version, body in conn.exec_driver_sql(_TEMPLATES, params):
        texts[account, slug] = texts[account, str(id_)] = TemplateText(id_, version, body)
    return texts


_LISTING = """
SELECT a.name, a.state, a.currency, coalesce(w.balance, 0) AS balance, coalesce(w.credit_limit, 0) AS credit_limit,
       coalesce((SELECT sum(amount)::int8 FROM campaign_reservations WHERE account_id = a.id), 0) AS reserved,
       coalesce(q.granted - q.used, 0) AS quota_left, a.subscribes, a.created_at,
       (SELECT coalesce(json_object_agg(sender, s.state ORDER BY sender), '{}')
        FROM sender_ids AS s WHERE s.account_id = a.id) AS senders
FROM accounts AS a LEFT JOIN wallets AS w ON w.account_id = a.id
LEFT JOIN quotas AS q ON q.account_id = a.id AND q.month = %(month)s
WHERE a.name = %(name)s OR %(name)s::text IS NULL
ORDER BY a.name
"""


def listing(conn: Connection, month: date, name: str | None = None) -> list[dict[str, Any]]:
    """Return each account: its balance, what campaigns have reserved, the month's remaining quota, senders' states.

    `name`: that account only.
    """
    return [dict(row) for row in conn.exec_driver_sql(_LISTING, {"month": month, "name": name}).mappings()]


_LIST_TEMPLATES = """
SELECT id, slug, body, version, created_at FROM templates WHERE account_id = %(account)s ORDER BY slug
"""


def list_templates(conn: Connection, account: int) -> list[dict[str, Any]]:
    """Return an account's templates, ordered by slug."""
    return [dict(row) for row in conn.exec_driver_sql(_LIST_TEMPLATES, {"account": account}).mappings()]


_LIST_SENDERS = """
SELECT sender, state, countries, reason, created_at FROM sender_ids WHERE account_id = %(account)s
ORDER BY state <> 'pending', sender
"""


def list_senders(conn: Connection, account: int) -> list[dict[str, Any]]:
    """Return an account's sender ids, pending ones first."""
    return [dict(row) for row in conn.exec_driver_sql(_LIST_SENDERS, {"account": account}).mappings()]


_OF_OTHERS = """
SELECT a.name, s.sender FROM sender_ids AS s JOIN accounts AS a ON a.id = s.account_id
WHERE s.account_id <> %(account)s AND s.state = 'approved' ORDER BY a.name, s.sender
"""


def senders_of_others(conn: Connection, account: int) -> list[tuple[str, str]]:
    """Return (account, sender id) of all approved sender ids of other accounts."""
    return [(name, sender) for name, sender in conn.exec_driver_sql(_OF_OTHERS, {"account": account})]


_APPROVED = """
SELECT account_id, json_agg(json_build_array(sender, countries) ORDER BY created_at, sender) FROM sender_ids
WHERE account_id = ANY(%(accounts)s) AND state = 'approved' GROUP BY account_id
"""


def approved_senders(conn: Connection, wanted: Iterable[int]) -> dict[int, list[tuple[str, list[str]]]]:
    """Return account → (sender, countries) pairs of its approved senders, the oldest first (no countries: no limit).

    Accounts without an approved sender are left out.
    """
    rows = conn.exec_driver_sql(_APPROVED, {"accounts": sorted(set(wanted))})
    return {account: [(sender, countries) for sender, countries in found] for account, found in rows}


_BALANCE = """
SELECT coalesce((SELECT balance FROM wallets WHERE account_id = a.id), 0), created_at,
       coalesce((SELECT sum(amount)::int8 FROM campaign_reservations WHERE account_id = a.id), 0)
FROM accounts AS a WHERE id = %(account)s
"""


def balance(conn: Connection, account: int) -> AccountBalance:
    """Return an account's balance and remaining quota; see `AccountBalance`."""
    return AccountBalance(*conn.exec_driver_sql(_BALANCE, {"account": account}).one())
