"""The whole schema on one page; `migrations/` brings a database to this form and a test holds the two together.

Money is NUMERIC(12,2), a sum of many amounts has more digits. Dates of business are plain dates, moments are timestamps
with time zone.
"""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

Moment = DateTime(timezone=True)
Dollars = Numeric(12, 2)
Sum = Numeric(18, 2)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _changed_at() -> Column[datetime]:
    """Return when the row came to be as it is; null for one from before that was kept."""
    return Column("changed_at", Moment)


def _number(sequence: str) -> Column[int]:
    """Return the number of a row in a table that is divided: only from PostgreSQL 17 on may it be an identity."""
    return Column("id", BigInteger, primary_key=True, server_default=text(f"nextval('{sequence}')"))


# Who takes part. Companies, clinics and patients come into being with the first event or command that names them.

companies = Table(
    "companies",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("hold_days", Integer, nullable=False, server_default="30"),
    Column("dos_first", Boolean, nullable=False, server_default=text("false")),
    Column("adjustments", Text, nullable=False, server_default="review"),
    # The day of the last night that was distributed, and the patient that the one under way has come to.
    Column("distributed_on", Date),
    Column("distributed_to", Text),
)

clinics = Table(
    "clinics",
    metadata,
    Column("clinic_id", Text, primary_key=True),
    Column("company_id", Text, ForeignKey(companies.c.company_id), nullable=False),
)

# Every change of a clinic's settings stays: a payment is judged by those in force when it was saved.
clinic_settings = Table(
    "clinic_settings",
    metadata,
    _id(),
    Column("clinic_id", Text, ForeignKey(clinics.c.clinic_id), nullable=False),
    Column("since", Moment, nullable=False),
    Column("integration", Boolean, nullable=False),
    Column("charge_types", ARRAY(Text), nullable=False),
    Column("set_by", Text, nullable=False),
    Index("clinic_settings_by_time", "clinic_id", "since"),
)

patients = Table(
    "patients",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("patient_id", Text, primary_key=True),
    Column("known_at", Moment),  # null until `patient.saved` makes the patient known to Billing
    Column("version", BigInteger),
    Column("name", Text),
    Column("named_at", Moment),  # when Billing heard of the patient first
)

# Accounts whose money has to be applied or given back at once. Rows are only added and taken out, so that nobody who
# marks an account waits for another.
account_marks = Table(
    "account_marks",
    metadata,
    _id(),
    Column("company_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("marked_at", Moment, nullable=False),
    Index("account_marks_by_account", "company_id", "patient_id"),
)

# A month without a row is open.
company_months = Table(
    "company_months",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("state", Text, nullable=False, server_default="OPEN"),
    Column("scheduled_at", Moment),
    Column("scheduled_by", Text),
    Column("closing_at", Moment),
    Column("closed_at", Moment),
    # The totals as they were at the close, and their fingerprint.
    Column("payments_total", Sum),
    Column("snapshot", JSONB),
    Column("snapshot_hash", LargeBinary),
)

# What the EMR said.

# A repeat has the same save, so it lies in the same month's part, and an id is there once.
events = Table(
    "events",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("saved_month", Date, primary_key=True),
    Column("content_hash", LargeBinary, nullable=False),
    postgresql_partition_by="RANGE (saved_month)",
)

# One row a charge line: its newest version and what became of it. This is the Claims Feed.
lines = Table(
    "lines",
    metadata,
    _id(),
    Column("clinic_id", Text, nullable=False),
    Column("payment_id", Text, nullable=False),
    Column("line_id", Text, nullable=False),
    Column("company_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("saved_at", Moment, nullable=False),
    Column("saved_on", Date, nullable=False),  # the clinic's own day of the save
    Column("content_hash", LargeBinary, nullable=False),
    # The content last saved; null while only the deletion of the line has been seen.
    Column("charge_type", Text),
    Column("amount_due", Dollars),
    Column("amount_paid", Dollars),
    Column("paid", Boolean),
    Column("internal_payment", Boolean),
    Column("method", Text),
    Column("transaction_date", Date),
    Column("date_of_service", Date),
    Column("case_id", Text),
    Column("provider_id", Text),
    Column("reference", Text),
    Column("memo", Text),
    Column("refund_of", Text),
    Column("settled_notes", LargeBinary),  # what carries no money, as Billing agreed with it last
    # The outcome; without a status the line was never to be sent and is not on the feed.
    Column("status", Text),
    Column("reason", Text),
    Column("application", Text, nullable=False),
    Column("target", Dollars),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("waits", Integer, nullable=False),
    Column("due_at", Moment),
    Column("requeued_at", Moment),
    _changed_at(),
    UniqueConstraint("clinic_id", "payment_id", "line_id"),
    Index("lines_by_patient", "company_id", "patient_id"),
    Index("lines_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index("lines_excepted", "id", postgresql_where=text("application = 'exception' OR reason = 'patient_not_found'")),
    Index("lines_not_through", "status", "reason", postgresql_where=text("status <> 'Transmission Successful'")),
    # Pages of the Claims Feed, newest save first: of everything, of a clinic, of what did not come through.
    Index("lines_by_save", "saved_at", "id"),
    Index("lines_by_clinic", "clinic_id", "saved_at", "id"),
    Index("lines_to_look_at", "saved_at", "id", postgresql_where=text("status <> 'Transmission Successful'")),
    Index("lines_by_day", "transaction_date", "clinic_id"),  # balancing, and what a month still lacks
)

# Events that could not be processed, with their error: whole, but for those that were too large to be read.
dead_letters = Table(
    "set_aside",
    metadata,
    _id(),
    Column("body", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False, unique=True),  # of the whole
    Column("whole_bytes", Integer),  # the size of a whole of which only the beginning is here
    Column("signature", Text),
    Column("entry_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment),
    Column("closed_at", Moment),
    # What can be made out of the body, for the feed.
    Column("company_id", Text),
    Column("clinic_id", Text),
    Column("payment_id", Text),
    Column("line_id", Text),
    Column("patient_id", Text),
    Column("version", BigInteger),
    Column("saved_at", Moment),
    Column("saved_on", Date),
    Column("charge_type", Text),
    Column("amount_paid", Dollars),
    Column("transaction_date", Date),
    Column("paid", Boolean),
    _changed_at(),
    Index("set_aside_by_key", "clinic_id", "payment_id", "line_id"),
    Index("set_aside_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index(
        "set_aside_newest", text("COALESCE(saved_at, received_at)"), "id", postgresql_where=text("closed_at IS NULL")
    ),
)

# What a person has to look at: the office's "exceptions". One open finding a line at most.
findings = Table(
    "findings",
    metadata,
    _id(),
    Column("line_ref", BigInteger, ForeignKey(lines.c.id), nullable=False),
    Column("set_aside_ref", BigInteger, ForeignKey(dead_letters.c.id)),  # the event that is in conflict with the line
    Column("version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("closed_case", Text),  # added, edited or deleted
    Column("amount_before", Dollars, nullable=False),
    Column("amount_now", Dollars, nullable=False),
    Column("proposal", JSONB, nullable=False),
    Column("note", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", Text),
    _changed_at(),
    Column(
        "attempts", Integer
    ),  # by which try of the version, or of the event in conflict; null from before it was kept
    Index("findings_one_open", "line_ref", unique=True, postgresql_where=text("status = 'open'")),
    Index(
        "findings_once",
        *("line_ref", "version", "reason", "attempts", "set_aside_ref"),
        unique=True,
        postgresql_where=text("status <> 'auto_closed'"),
        postgresql_nulls_not_distinct=True,
    ),
)

charges = Table(
    "charges",
    metadata,
    Column("clinic_id", Text, primary_key=True),
    Column("charge_id", Text, primary_key=True),
    Column("company_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("date_of_service", Date, nullable=False),
    Column("patient_balance", Dollars, nullable=False),
    Column("insurance_open", Boolean, nullable=False),
    _changed_at(),
    Index("charges_by_patient", "company_id", "patient_id"),
)

# The ledger. Append-only: triggers refuse a change, and a deposit date in a closed month.
entries = Table(
    "entries",
    metadata,
    _id(),
    Column("line_ref", BigInteger, ForeignKey(lines.c.id)),  # null for a manual entry
    Column("version", BigInteger),
    Column("part", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", Dollars, nullable=False),
    Column("company_id", Text, nullable=False),
    Column("clinic_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("charge_type", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("provider_id", Text),
    Column("date_of_service", Date),
    Column("reference", Text),
    Column("deposit_date", Date, nullable=False),
    Column("posting_date", Date, nullable=False),
    Column("posted_at", Moment, nullable=False),
    Column("entered_by", Text, nullable=False),
    UniqueConstraint("line_ref", "version", "kind", "part"),
    Index("entries_by_patient", "company_id", "patient_id"),
    Index("entries_by_deposit_date", "clinic_id", "deposit_date"),
    Index("entries_by_day", "deposit_date", "id"),
)

# Money of a payment applied to a charge, or taken back from it (negative). Append-only, with a date of its own that no
# closed month blocks.
allocations = Table(
    "allocations",
    metadata,
    _id(),
    Column("line_ref", BigInteger, ForeignKey(lines.c.id), nullable=False),
    Column("clinic_id", Text, nullable=False),
    Column("charge_id", Text, nullable=False),
    Column("company_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("amount", Dollars, nullable=False),
    Column("rule", Text, nullable=False),
    Column("distribution_date", Date, nullable=False),
    Column("made_at", Moment, nullable=False),
    Index("allocations_by_patient", "company_id", "patient_id"),
    Index("allocations_by_line", "line_ref"),
)

# Everything that happened, in order: each try with its worker, duration and error, each requeue with who asked.
history = Table(
    "history",
    metadata,
    Column("at", Moment, primary_key=True),
    _number("history_id_seq"),
    Column("what", Text, nullable=False),
    Column("line_ref", BigInteger),
    Column("set_aside_ref", BigInteger),
    Column("entry_id", Text),  # the stream's entry; the only thread while a payment has not yet been read
    Column("version", BigInteger),
    Column("detail", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("duration_ms", Integer),
    Column("error", Text),
    Index("history_by_line", "line_ref"),
    Index("history_by_set_aside", "set_aside_ref", postgresql_where=text("set_aside_ref IS NOT NULL")),
    Index("history_by_entry", "entry_id", postgresql_where=text("line_ref IS NULL AND set_aside_ref IS NULL")),
    postgresql_partition_by="RANGE (at)",
)

# What rows were before they changed, and until when; triggers add to it. `known.py` asks what was known at a moment.


def _was(table: Table) -> Table:
    columns = (Column(column.name, column.type, nullable=column.nullable) for column in table.columns)
    until = Column("until", Moment, nullable=False)
    index = Index(f"{table.name}_was_until", "until")
    return Table(f"{table.name}_was", metadata, until, *columns, index, postgresql_partition_by="RANGE (until)")


CHANGING = (lines, dead_letters, findings, charges)
for _table in CHANGING:
    _was(_table)

# Who works in the console.

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("clinics", ARRAY(Text)),  # what the view is limited to; null for all
    Column("password_hash", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("disabled_at", Moment),
)

# A browser's session or a program's token; only a hash of what it shows is kept.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_name", Text, ForeignKey(users.c.name), nullable=False),
    Column("kind", Text, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("sessions_by_user", "user_name"),
)

# Failed log-ins in a row, by name and by address.
login_failures = Table(
    "login_failures",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("blocked_until", Moment),
)

# Who did, exported or looked at what. Append-only.
audit = Table(
    "audit",
    metadata,
    _number("audit_id_seq"),
    Column("at", Moment, primary_key=True),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("address", Text, nullable=False),
    Index("audit_by_who", "who", "id"),
    postgresql_partition_by="RANGE (at)",
)

# Requeueing all that match, chunk by chunk: how far it is, so that it can be watched, stopped and taken up again.
requeue_runs = Table(
    "requeue_runs",
    metadata,
    _id(),
    Column("begun_at", Moment, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("choice", JSONB, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    # The last row that was dealt with, and the last there was at the beginning.
    Column("line_reached", BigInteger, nullable=False),
    Column("line_last", BigInteger, nullable=False),
    Column("aside_reached", BigInteger, nullable=False),
    Column("aside_last", BigInteger, nullable=False),
    Column("moved_at", Moment, nullable=False),
    Column("state", Text, nullable=False),
)
