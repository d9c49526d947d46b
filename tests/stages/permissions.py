"""Opt-outs and quiet hours for tests."""

from datetime import datetime, timedelta
from typing import Any

from tests.world import World


def minute(at: datetime, hours_east: int = 1) -> int:
    """Return the minute of the day of a time in a zone that many hours east of UTC (Lagos: one)."""
    there = at + timedelta(hours=hours_east)
    return there.hour * 60 + there.minute


def quiet(
    world: World, *, begins: int = -60, ends: int = 120, message_class: str = "transactional", **fields: Any
) -> datetime:
    """Add quiet hours in the zone of the world's numbers, by minutes from now; return when they end."""
    now: datetime = world.rt.now()
    line = {"account": world.account, "country": "NG", "class": message_class, "action": "defer"} | fields
    end = (now + timedelta(minutes=ends)).replace(second=0, microsecond=0)
    world.run(
        """
        INSERT INTO quiet_hours (account_id, country, class, from_minute, until_minute, action)
        VALUES (%(account)s, %(country)s, %(class)s, %(begins)s, %(ends)s, %(action)s)
        """,
        begins=minute(now + timedelta(minutes=begins)),
        ends=minute(end),
        **line,
    )
    return end


def opt_out(
    world: World, phone: str = "+2348012345678", *, sender: str = "", account: int | None = None, **fields: str
) -> None:
    """Add an opt-out of a phone."""
    world.run(
        "INSERT INTO opt_outs VALUES (%(account)s, %(phone)s, %(sender)s, %(class)s, 'STOP')",
        account=world.account if account is None else account,
        phone=phone,
        sender=sender,
        **({"class": ""} | fields),
    )
