"""SQLAlchemy tables of the console's users, their sessions, and one-time links."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from schema.columns import NOW, instant, metadata, one_of
from schema.vocabulary import LinkPurpose, Role

_ROLES = ", ".join(f"'{role}'" for role in Role)

#: never deleted, since the audit log names them: disabled
users = Table(
    "users",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    #: in lower case
    Column("name", Text, nullable=False, unique=True),
    #: null: an operator, who sees all accounts
    Column("account_id", ForeignKey("accounts.id")),
    Column("roles", ARRAY(Text), nullable=False),
    #: scrypt, with its parameters and salt; null: no password, signs in by link
    Column("password_hash", Text),
    #: secret of the second factor (RFC 6238), encrypted
    Column("sealed_totp", LargeBinary),
    #: when a code of it was shown; null: it is not in use yet
    instant("totp_confirmed_at"),
    #: time step of the last code that was used: each is used once
    Column("totp_step", BigInteger),
    #: IANA name; null: the browser's
    Column("time_zone", Text),
    instant("created_at", nullable=False, server_default=NOW),
    instant("disabled_at"),
    instant("last_sign_in_at"),
    CheckConstraint("name = lower(name)", name="name"),
    CheckConstraint(f"roles <@ ARRAY[{_ROLES}] AND cardinality(roles) > 0", name="roles"),
    Index(None, "account_id"),
)

#: deleted when they end; `sms.maintenance` deletes those that expired
user_sessions = Table(
    "user_sessions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    #: SHA-256 of the token in the user's cookie
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    instant("created_at", nullable=False),
    #: written once a minute at most
    instant("last_seen_at", nullable=False),
    #: when it ends unless it is used before, and when it ends in any case
    instant("expires_at", nullable=False),
    instant("ends_at", nullable=False),
    #: a one-time code is still to be shown, and how many wrong ones were
    Column("needs_totp", Boolean, nullable=False),
    Column("wrong_codes", SmallInteger, nullable=False, server_default=text("0")),
    #: address it was begun from; browser and system
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

#: a new link replaces the one before; deleted when it is used, and by `sms.maintenance` when it expired
login_links = Table(
    "login_links",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("purpose", Text, primary_key=True),
    #: SHA-256 of the token in the link
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    instant("expires_at", nullable=False),
    one_of("purpose", LinkPurpose),
)
