"""SQLAlchemy tables of money: prices, wallets, quotas and the double-entry ledger."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from schema.columns import NOW, instant, metadata, one_of
from schema.vocabulary import Book, LedgerEntry

prices = Table(
    "prices",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    #: null: for every account
    Column("account_id", ForeignKey("accounts.id")),
    #: leading digits of the number, an ISO country, or *
    Column("destination", Text, nullable=False),
    Column("currency", Text, nullable=False),
    #: minor units a segment
    Column("per_segment", BigInteger, nullable=False),
    instant("from_at", nullable=False, server_default=NOW),
    UniqueConstraint("account_id", "destination", "currency", "from_at", postgresql_nulls_not_distinct=True),
    CheckConstraint("per_segment >= 0", name="per_segment"),
)

wallets = Table(
    "wallets",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    #: minor units
    Column("balance", BigInteger, nullable=False, server_default=text("0")),
    #: how far below nothing it may go
    Column("credit_limit", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("balance >= -credit_limit", name="limit"),
)

quotas = Table(
    "quotas",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    #: the first day of it
    Column("month", Date, primary_key=True),
    #: segments
    Column("granted", Integer, nullable=False),
    Column("used", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("used BETWEEN 0 AND granted", name="used"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    #: ISO 4217, or SEG for segments of quota
    Column("unit", Text, nullable=False),
    #: one row moves an amount from one book to another: it cannot be out of balance
    Column("amount", BigInteger, nullable=False),
    Column("from_book", Text, nullable=False),
    Column("to_book", Text, nullable=False),
    Column("batch_id", Uuid),
    #: of what comes from or goes to the book `reserved`
    Column("campaign_id", Uuid),
    Column("note", Text),
    instant("at", nullable=False, server_default=NOW),
    one_of("kind", LedgerEntry),
    one_of("from_book", Book),
    one_of("to_book", Book),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("from_book <> to_book", name="books"),
    Index("ledger_one_hold", "batch_id", "unit", unique=True, postgresql_where=text("kind = 'hold'")),
    Index("ledger_batch", "batch_id"),
)

#: what is set aside for a campaign that holds its whole quote, and for none of its batches yet; the row is deleted as
#: the campaign ends
campaign_reservations = Table(
    "campaign_reservations",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    #: minor units
    Column("amount", BigInteger, nullable=False),
    #: segments of a month's quota, and the first day of that month
    Column("quota", Integer, nullable=False),
    Column("month", Date, nullable=False),
    CheckConstraint("amount >= 0", name="amount"),
    CheckConstraint("quota >= 0", name="quota"),
)
