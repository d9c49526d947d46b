"""Consent: octets of inbound parts until they are joined, times of opt-outs, old number formats converted."""

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"

#: as in `rules.consent_numbers` when this was written; what is done again there changes nothing here
_FOLDS = (
    (r"^\+521([0-9]{10})$", r"+52\1"),
    (r"^\+54([1-3][0-9]{9})$", r"+549\1"),
    (r"^\+55([0-9]{2})([6-9][0-9]{7})$", r"+55\19\2"),
    (r"^\+225([04-9][0-3][0-9]{6})$", r"+22501\1"),
    (r"^\+225([04-9][4-6][0-9]{6})$", r"+22505\1"),
    (r"^\+225([04-9][7-9][0-9]{6})$", r"+22507\1"),
    (r"^\+229([2-9][0-9]{7})$", r"+22901\1"),
    (r"^\+237([5-9][0-9]{7})$", r"+2376\1"),
    (r"^\+2410?2([0-9]{6})$", r"+24162\1"),
    (r"^\+2410?4([0-9]{6})$", r"+24174\1"),
    (r"^\+2410?5([0-9]{6})$", r"+24165\1"),
    (r"^\+2410?6([0-9]{6})$", r"+24166\1"),
    (r"^\+2410?7([0-9]{6})$", r"+24177\1"),
    *((rf"^\+841{old}([0-9]{{7}})$", rf"+84{new}\1") for old, new in (
        ("62", "32"), ("63", "33"), ("64", "34"), ("65", "35"), ("66", "36"), ("67", "37"), ("68", "38"), ("69", "39"),
        ("20", "70"), ("21", "79"), ("22", "77"), ("26", "76"), ("28", "78"), ("23", "83"), ("24", "84"), ("25", "85"),
        ("27", "81"), ("29", "82"), ("86", "56"), ("88", "58"), ("99", "59"),
    )),
)  # fmt: skip
#: numbers in an old form, numbers with 00 instead of the plus, senders that are numbers without one
_OLD = r"""
CREATE TEMPORARY TABLE old_opt_outs ON COMMIT DROP AS
SELECT account_id, phone, sender, class, source, said_at, created_at, phone AS old_phone, sender AS old_sender
FROM opt_outs
WHERE phone ~ '^(00[1-9]|\+(521|54[1-3]|55[0-9]{2}[6-9]|22[59]|237|241|841))' OR sender ~ '^(00)?[1-9][0-9]{8,14}$'
"""
_PLUS = (
    r"UPDATE old_opt_outs SET phone = regexp_replace(phone, '^00', '+') WHERE phone ~ '^00[1-9][0-9]{8,14}$'",
    r"UPDATE old_opt_outs SET sender = regexp_replace(sender, '^(00)?', '+') WHERE sender ~ '^(00)?[1-9][0-9]{8,14}$'",
)
_FOLD = "UPDATE old_opt_outs SET phone = regexp_replace(phone, :old, :new) WHERE phone ~ :old"
_DROP = """
DELETE FROM opt_outs AS o USING old_opt_outs AS f
WHERE o.account_id = f.account_id AND o.phone = f.old_phone AND o.sender = f.old_sender AND o.class = f.class
  AND (f.phone, f.sender) <> (f.old_phone, f.old_sender)
"""
_WRITE = """
INSERT INTO opt_outs (account_id, phone, sender, class, source, said_at, created_at)
SELECT account_id, phone, sender, class, source, said_at, created_at FROM old_opt_outs
WHERE (phone, sender) <> (old_phone, old_sender)
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("inbound", sa.Column("octets", sa.LargeBinary(), nullable=True))
    op.add_column("inbound", sa.Column("coding", sa.Text(), nullable=True))
    op.add_column("inbound", sa.Column("joined_to", sa.Uuid(), nullable=True))
    op.create_index("inbound_latest", "inbound", ["phone", "received_at"], unique=False)
    op.add_column(
        "opt_outs",
        sa.Column("said_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    for statement in (_OLD, *_PLUS):
        op.execute(statement)
    conn = op.get_bind()
    for old, new in _FOLDS:
        conn.execute(sa.text(_FOLD), {"old": old, "new": new})
    op.execute(_DROP)
    op.execute(_WRITE)


def downgrade() -> None:
    """Take back: what was folded stays so, for the old forms are not known any more."""
    op.drop_column("opt_outs", "said_at")
    op.drop_index("inbound_latest", table_name="inbound")
    for column in ("joined_to", "coding", "octets"):
        op.drop_column("inbound", column)
