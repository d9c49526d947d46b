"""SQLAlchemy tables of API keys and producer keys."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from schema.columns import NOW, instant, metadata

producer_keys = Table(
    "producer_keys",
    metadata,
    #: 16 hex digits
    Column("id", Text, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    #: its secret, encrypted
    Column("sealed", LargeBinary, nullable=False),
    instant("created_at", nullable=False, server_default=NOW),
    instant("revoked_at"),
    Index(None, "account_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("dialect", ForeignKey("dialects.name"), nullable=False),
    #: look-up value: keyed hash of a bearer key, or the id of a client that also has a secret
    Column("handle", Text, nullable=False),
    #: keyed hash of the client secret; null: the handle suffices, or `sealed` is used
    Column("secret_hash", LargeBinary),
    #: the secret, encrypted, where signatures are made with it
    Column("sealed", LargeBinary),
    #: version of the secret key that its hash is made with; null: from before versions existed
    Column("secret_version", LargeBinary),
    #: of the handle or the secret, to tell keys apart
    Column("last_characters", Text, nullable=False),
    #: display name
    Column("name", Text, nullable=False, server_default=""),
    #: its messages are tests
    Column("test", Boolean, nullable=False, server_default=text("false")),
    #: scopes; empty: all
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    #: networks (CIDR) it may be used from; empty: any
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    #: settings that its dialect defines
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    instant("created_at", nullable=False, server_default=NOW),
    #: null: does not expire
    instant("expires_at"),
    #: written once an hour at most; null: never
    instant("last_used_at"),
    #: the key that this one is to replace; null: none
    Column("replaces", ForeignKey("api_keys.id")),
    instant("revoked_at"),
    UniqueConstraint("dialect", "handle"),
    Index(None, "account_id"),
)
