"""The audit log: each change of configuration and control, with its actor, written by triggers in the transaction."""

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"

#: adds an entry; the actor is what the transaction says of itself in `postroad.actor` (pipeline/database.py), else
#: the database's user
_LOG = """
CREATE FUNCTION log_change(subject_table text, subject text, account integer, old_values jsonb, new_values jsonb,
                           done text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO audit_log (actor_kind, actor, claimed, origin, action, subject_table, subject, account_id, before,
                           after)
    SELECT coalesce(a ->> 'kind', CASE WHEN starts_with(program, 'postroad') THEN 'system' ELSE 'database' END),
           coalesce(a ->> 'name', session_user), a ->> 'claimed',
           coalesce(a ->> 'origin', concat_ws(' ', coalesce(host(inet_client_addr()), 'local'), nullif(program, ''))),
           coalesce(a ->> 'action', done), subject_table, subject, account, old_values, new_values
    FROM (SELECT coalesce(nullif(current_setting('postroad.actor', true), ''), '{}')::jsonb AS a,
                 current_setting('application_name') AS program) AS who
$$
"""
#: arguments: the columns that name the row, those whose values are hidden, those that are not logged at all
_LOG_ROW = """
CREATE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named text[] := TG_ARGV[0];
    hidden text[] := TG_ARGV[1];
    ignored text[] := TG_ARGV[2];
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - ignored END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - ignored END;
    any_row jsonb := coalesce(new_row, old_row);
    same text[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(key) INTO same FROM jsonb_each(old_row) WHERE new_row -> key = value;
        IF same IS NOT NULL THEN
            old_row := old_row - same;
            new_row := new_row - same;
        END IF;
        IF old_row = '{}' THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM log_change(
        TG_TABLE_NAME,
        (SELECT string_agg(coalesce(any_row ->> column_, '*'), ' ' ORDER BY place)
         FROM unnest(named) WITH ORDINALITY AS n (column_, place)),
        (any_row ->> CASE WHEN TG_TABLE_NAME = 'accounts' THEN 'id' ELSE 'account_id' END)::integer,
        old_row || hidden_values(old_row, hidden), new_row || hidden_values(new_row, hidden), lower(TG_OP)
    );
    RETURN NULL;
END $$
"""
_HIDDEN_VALUES = """
CREATE FUNCTION hidden_values(values_ jsonb, hidden text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, '…'), '{}') FROM jsonb_each(values_)
    WHERE key = ANY(hidden) AND value NOT IN ('null', '{}')
$$
"""
#: each statement, however many rows it has
_LOG_NETWORKS = (
    """
    CREATE FUNCTION log_networks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM log_change('networks', '*', NULL, NULL, jsonb_build_object('prefixes', count(*)), lower(TG_OP))
        FROM changed HAVING count(*) > 0;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER audited AFTER INSERT ON networks REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_networks()
    """,
    """
    CREATE TRIGGER audited_change AFTER UPDATE ON networks REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_networks()
    """,
    """
    CREATE TRIGGER audited_removal AFTER DELETE ON networks REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_networks()
    """,
)
#: of an import only how many there are; numbers are masked, as nothing deletes an entry
_LOG_OPT_OUTS = (
    """
    CREATE FUNCTION log_opt_outs() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT count(*) FROM changed) > 20 THEN
            PERFORM log_change('opt_outs', '*', nullif(account_id, 0), NULL, jsonb_build_object('numbers', count(*)),
                               lower(TG_OP))
            FROM changed GROUP BY account_id;
        ELSE
            PERFORM log_change('opt_outs', masked, nullif(account_id, 0), CASE WHEN TG_OP = 'DELETE' THEN shown END,
                               CASE WHEN TG_OP = 'INSERT' THEN shown END, lower(TG_OP))
            FROM changed CROSS JOIN LATERAL (
                SELECT left(phone, 5) || repeat('*', greatest(length(phone) - 7, 0)) || right(phone, 2) AS masked
            ) AS m CROSS JOIN LATERAL (
                SELECT jsonb_build_object('sender', sender, 'class', class, 'source', source) AS shown
            ) AS s;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER audited AFTER INSERT ON opt_outs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT WHEN ({condition}) EXECUTE FUNCTION log_opt_outs()
    """,
    """
    CREATE TRIGGER audited_removal AFTER DELETE ON opt_outs REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT WHEN ({condition}) EXECUTE FUNCTION log_opt_outs()
    """,
)
#: retention deletes old entries and says so; nothing else changes or deletes one
_KEEP = (
    """
    CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND current_setting('postroad.retention', true) = 'audit_log' THEN
            RETURN NULL;
        END IF;
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_log_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()
    """,
)

#: table → columns that name a row, hidden ones, and ones that are not configuration
_AUDITED: dict[str, tuple[str, str, str]] = {
    "accounts": ("name", "", ""),
    "api_keys": ("id", "handle,sealed,secret_hash", "secret_version"),
    "carriers": ("name", "settings", "balance,balance_at,changed_at,receipt_seconds"),
    "keywords": ("account_id,word", "", ""),
    "prices": ("account_id,destination", "", ""),
    "producer_keys": ("id", "sealed", ""),
    "quiet_hours": ("account_id,country,class", "", ""),
    "routes": ("account_id,destination,carrier", "", ""),
    "sender_ids": ("account_id,sender", "", ""),
    "templates": ("account_id,slug", "", ""),
    "webhook_endpoints": ("id", "sealed,sealed_previous", "failing_since"),
}


#: what recipients change themselves, by STOP and START, is in inbound_messages
_BY_HAND = (
    "current_setting('postroad.actor', true) <> '' OR NOT starts_with(current_setting('application_name'), 'postroad')"
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("claimed", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_table", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("before", sa.dialects.postgresql.JSONB(), nullable=True),
        sa.Column("after", sa.dialects.postgresql.JSONB(), nullable=True),
        sa.CheckConstraint(
            "actor_kind IN ('os_user', 'api_key', 'system', 'database')", name=op.f("audit_log_actor_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )
    op.create_index(op.f("audit_log_at"), "audit_log", ["at"])
    op.create_index(op.f("audit_log_account_id_at"), "audit_log", ["account_id", "at"])
    op.create_index(op.f("audit_log_subject_table_at"), "audit_log", ["subject_table", "at"])
    for statement in (_LOG, _HIDDEN_VALUES, _LOG_ROW, *_LOG_NETWORKS, *_KEEP):
        op.execute(statement)
    for table, columns in _AUDITED.items():
        op.execute(
            f"CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION log_row({_arguments(*columns)})"
        )
    for statement in _LOG_OPT_OUTS:
        op.execute(statement.replace("{condition}", _BY_HAND))
    op.execute(
        "CREATE TRIGGER audited AFTER INSERT ON ledger FOR EACH ROW WHEN (NEW.kind IN ('topup', 'grant')) "
        f"EXECUTE FUNCTION log_row({_arguments('account_id,kind', '', '')})"
    )
    op.execute(
        "CREATE TRIGGER audited AFTER UPDATE OF credit_limit ON wallets FOR EACH ROW "
        f"EXECUTE FUNCTION log_row({_arguments('account_id', '', 'balance')})"
    )


def downgrade() -> None:
    """Take back."""
    for table in (*_AUDITED, "opt_outs", "ledger", "wallets", "networks"):
        op.execute(f"DROP TRIGGER audited ON {table}")
    op.execute("DROP TRIGGER audited_change ON networks")
    op.execute("DROP TRIGGER audited_removal ON networks")
    op.execute("DROP TRIGGER audited_removal ON opt_outs")
    op.drop_table("audit_log")
    op.execute("DROP FUNCTION log_row, log_networks, log_opt_outs, hidden_values, refuse_change_of_log, log_change")


def _arguments(*columns: str) -> str:
    return ", ".join(f"'{{{names}}}'" for names in columns)
