"""What holds an account back, for the tests that need some."""

from datetime import datetime, timedelta
from typing import Any


def minute(at: datetime, hours_east: int = 1) -> int:
    """Return a moment's minute after midnight so far east of Greenwich; Lagos is one hour."""
    there = at + timedelta(hours=hours_east)
    return there.hour * 60 + there.minute


def quiet(world: Any, *, begins: int = -60, ends: int = 120, **fields: Any) -> datetime:
    """Let it be night where the world's numbers are, by minutes from now; return when that ends."""
    now: datetime = world.rt.now()
    line = {"account": world.account, "country": "NG", "class": "transactional", "action": "defer"} | fields
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
    world: Any, phone: str = "+2348012345678", *, sender: str = "", account: int | None = None, **fields: str
) -> None:
    """Let a phone want nothing."""
    world.run(
        "INSERT INTO opt_outs VALUES (%(account)s, %(phone)s, %(sender)s, %(class)s, 'STOP')",
        account=world.account if account is None else account,
        phone=phone,
        sender=sender,
        **({"class": ""} | fields),
    )
