"""The database schema. The migrations create it in a new database; a test compares the two.

A database of an earlier release is upgraded in two steps. Between them, it also has the earlier keys
(docs/upgrades.md).

Amounts are NUMERIC(12,2) dollars, totals NUMERIC(18,2). Business dates are plain dates, times are timestamps with time
zone. Tables and columns are not renamed, because old and new workers run side by side during an upgrade
(docs/upgrades.md). Where the code uses another term, this file maps it: *dead letters* are stored in `set_aside`, the
*distribution queue* in `account_marks`, the *row versions* of a table in a table with the suffix `_was`.
"""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
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

MAY_BE_UNPOSTED = "status <> 'Transmission Successful' OR application = 'exception'"
"""The condition of lines that may be missing in Billing. `payments/store/feed/posted.py` finds the state of each."""


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), nullable=False)


def _changed_at() -> Column[datetime]:
    """Return a column for the time of a row's last change. It is null in rows from before the column existed."""
    return Column("changed_at", Moment)


def _id_of_partitioned(sequence: str) -> Column[int]:
    """Return the id column of a partitioned table. An identity column would need PostgreSQL 17."""
    return Column("id", BigInteger, nullable=False, server_default=text(f"nextval('{sequence}')"))


# Companies, clinics and patients. Each is created by the first event or command that names it. With
# PAYMENTS_UNKNOWN_COMPANIES=refuse only commands create companies and clinics.

companies = Table(
    "companies",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("hold_days", Integer, nullable=False, server_default="30"),
    Column("dos_first", Boolean, nullable=False, server_default=text("false")),
    Column("adjustments", Text, nullable=False, server_default="review"),
    # False: nobody chose the time zone; it is the default of the installation.
    Column("timezone_chosen", Boolean, nullable=False, server_default=text("false")),
    # The day of the last completed nightly distribution, and the last patient of the one in progress.
    Column("distributed_on", Date),
    Column("distributed_to", Text),
    # When a person confirmed or retired it. Neither: an event added it, or an earlier release.
    Column("confirmed_at", Moment),
    Column("confirmed_by", Text),
    Column("retired_at", Moment),
    Column("retired_by", Text),
    # The state of its move to or from another installation; null if it never moved (`payments/core/company_move.py`).
    Column("move_state", Text),
    Column("moved_by", Text),
    Column("move_id", Uuid),
    Column("moved_at", Moment),
    # The business days within which an exception is to be decided.
    Column("exception_days", Integer, nullable=False, server_default="5"),
    # The amount in dollars up to which a refund needs no approval of another person.
    Column("refund_limit", Dollars, nullable=False, server_default="0.00"),
    Index("companies_moved", "company_id", postgresql_where=text("move_state IN ('left', 'arriving')")),
)

clinics = Table(
    "clinics",
    metadata,
    Column("clinic_id", Text, nullable=False),
    Column("company_id", Text, ForeignKey(companies.c.company_id), nullable=False),
    Column("confirmed_at", Moment),
    Column("confirmed_by", Text),
    Column("retired_at", Moment),
    Column("retired_by", Text),
    PrimaryKeyConstraint("company_id", "clinic_id"),
)

# Every change of a clinic's settings is kept: a payment is evaluated with those in force when it was saved (rule D2).
settings_changes = Table(
    "settings_changes",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("clinic_id", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("integration", Boolean, nullable=False),
    Column("charge_types", ARRAY(Text), nullable=False),
    Column("set_by", Text, nullable=False),
    ForeignKeyConstraint(["company_id", "clinic_id"], [clinics.c.company_id, clinics.c.clinic_id]),
    Index("settings_changes_by_time", "company_id", "clinic_id", "since"),
)

patients = Table(
    "patients",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("patient_id", Text, primary_key=True),
    Column("known_at", Moment),  # when `patient.saved` was imported; null: not in Billing
    Column("version", BigInteger),
    Column("name", Text),
    Column("named_at", Moment),  # when an event first named the patient
    # The EMR's save of this version, and when it was imported; null for rows older than the columns.
    Column("saved_at", Moment),
    Column("changed_at", Moment),
    # The parts of the name and the id by which a patient is found; each begins with the company.
    Index("patients_by_term", text("patient_terms(company_id, patient_id, name)"), postgresql_using="gin"),
)

# Accounts whose money has to be applied or unapplied immediately. Rows are inserted and deleted, never updated, so that
# imports which enqueue the same account do not wait for each other.
distribution_queue = Table(
    "account_marks",
    metadata,
    _id(),
    Column("company_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("marked_at", Moment, nullable=False),
    PrimaryKeyConstraint("company_id", "id"),
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
    # The totals at the close, and their hash.
    Column("payments_total", Sum),
    Column("snapshot", JSONB),
    Column("snapshot_hash", LargeBinary),
)

# Events of the EMR.

# A repeated event has the same save time, so it is in the same partition, and an id is stored once.
events = Table(
    "events",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("saved_month", Date, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("company_id", Text, nullable=False, server_default=""),  # '': recorded before migration 0021
    Index("events_key", "company_id", "event_id", "saved_month", unique=True),
    postgresql_partition_by="RANGE (saved_month)",
)

# One row per charge line: its newest version and outcome. With the dead letters, this is the Claims Feed.
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
    # The content last saved; null if only a deletion of the line was received.
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
    Column("settled_notes", LargeBinary),  # hash of the non-monetary fields last acknowledged
    # The outcome. A line without a status was never to be sent and is not on the Claims Feed.
    Column("status", Text),
    Column("reason", Text),
    Column("application", Text, nullable=False),
    Column("target", Dollars),
    Column("detail", Text, nullable=False),  # a code, or the text of a technical error
    Column("attempts", Integer, nullable=False),
    Column("waits", Integer, nullable=False),  # the retry count
    Column("due_at", Moment),
    Column("requeued_at", Moment),
    _changed_at(),
    PrimaryKeyConstraint("company_id", "id"),
    Index("lines_key", "company_id", "clinic_id", "payment_id", "line_id", unique=True),
    Index("lines_by_id", "id"),  # sweeps and requeue runs of all companies
    Index("lines_by_patient", "company_id", "patient_id"),
    Index("lines_due_by_company", "company_id", "due_at", "id", postgresql_where=text("due_at IS NOT NULL")),
    Index("lines_excepted", "id", postgresql_where=text("application = 'exception' OR reason = 'patient_not_found'")),
    Index("lines_not_through", "status", "reason", postgresql_where=text("status <> 'Transmission Successful'")),
    # Pages of the Claims Feed, newest save first: of all clinics, of one clinic, and of what was not successful.
    Index("lines_by_save", "saved_at", "id"),
    Index("lines_by_clinic", "clinic_id", "saved_at", "id"),
    Index("lines_not_posted", "saved_at", "id", postgresql_where=text(MAY_BE_UNPOSTED)),
    Index(
        "lines_not_posted_by_clinic",
        *("company_id", "clinic_id", "saved_at", "id"),
        postgresql_where=text(MAY_BE_UNPOSTED),
    ),
    Index("lines_by_day", "transaction_date", "clinic_id"),  # balancing and close warnings
    # For the search, newest first.
    # Partial, so that the foreign keys' checks of (company_id, id) never use it.
    Index("lines_by_amount", "company_id", "amount_paid", "id", postgresql_where=text("amount_paid IS NOT NULL")),
    Index("lines_by_reference", "company_id", "reference", postgresql_where=text("reference IS NOT NULL")),
)

# Dead letters: events that could not be processed, with their error. Of an oversized event only the beginning is kept.
dead_letters = Table(
    "set_aside",
    metadata,
    _id(),
    Column("body", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),  # of the full body; plus a zero byte if not authentic
    Column("whole_bytes", Integer),  # the size of the full body, if `body` is only its beginning
    Column("signature", Text),
    Column("entry_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment),
    Column("closed_at", Moment),
    # The fields that could be read from the body, for the Claims Feed.
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
    # The type of the event and, of a `charge.saved`, the charge. Null for rows older than the columns.
    Column("event_type", Text),
    Column("charge_id", Text),
    # No primary key: an unreadable event has no company.
    Index("set_aside_key", "company_id", "id", unique=True, postgresql_nulls_not_distinct=True),
    Index("set_aside_by_body", "company_id", "body_hash", unique=True, postgresql_nulls_not_distinct=True),
    Index("set_aside_by_id", "id"),
    Index(
        "set_aside_clinics",
        *("company_id", "clinic_id"),
        postgresql_where=text("closed_at IS NULL AND company_id || clinic_id IS NOT NULL"),
    ),
    Index("set_aside_by_key", "clinic_id", "payment_id", "line_id"),
    Index("set_aside_due_by_company", "company_id", "due_at", "id", postgresql_where=text("due_at IS NOT NULL")),
    Index(
        "set_aside_newest", text("COALESCE(saved_at, received_at)"), "id", postgresql_where=text("closed_at IS NULL")
    ),
)

# Findings: what people see as Billing Exceptions. A line has at most one open finding.
findings = Table(
    "findings",
    metadata,
    _id(),
    Column("line_ref", BigInteger, nullable=False),
    Column("set_aside_ref", BigInteger),  # the event in conflict
    Column("version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),  # a sentence, for old processes: a trigger derives it from `reason_code`
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
    # The attempt of the version, or of the event in conflict; null for findings older than the column.
    Column("attempts", Integer),
    Column("reason_code", Text),
    Column("company_id", Text, nullable=False),
    Column("owner", Text),  # the user who works on it
    Column("undone_at", Moment),  # when a user undid the last decision
    Column("settled_notes_before", LargeBinary),  # `lines.settled_notes` before the decision
    PrimaryKeyConstraint("company_id", "id"),
    ForeignKeyConstraint(["company_id", "line_ref"], [lines.c.company_id, lines.c.id]),
    ForeignKeyConstraint(["company_id", "set_aside_ref"], [dead_letters.c.company_id, dead_letters.c.id]),
    Index("findings_by_id", "id"),
    Index("findings_of_line", "company_id", "line_ref", unique=True, postgresql_where=text("status = 'open'")),
    Index(
        "findings_of_attempt",
        *("company_id", "line_ref", "version", "reason", "attempts", "set_aside_ref"),
        unique=True,
        postgresql_where=text("status <> 'auto_closed'"),
        postgresql_nulls_not_distinct=True,
    ),
)

charges = Table(
    "charges",
    metadata,
    Column("clinic_id", Text, nullable=False),
    Column("charge_id", Text, nullable=False),
    Column("company_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("date_of_service", Date, nullable=False),
    Column("patient_balance", Dollars, nullable=False),
    Column("insurance_open", Boolean, nullable=False),
    _changed_at(),
    # The part of the patient's payments that `patient_balance` has deducted. Null until the next distribution sets it.
    # The default is for rows of processes from before the column: their balance has deducted nothing.
    Column("patient_paid", Dollars, server_default="0"),
    Column("saved_at", Moment),  # the EMR's save of this version; null for rows older than the column
    PrimaryKeyConstraint("company_id", "clinic_id", "charge_id"),
    Index("charges_by_patient", "company_id", "patient_id"),
)

# The ledger. Append-only: triggers refuse a change, and a deposit date in a closed month.
entries = Table(
    "entries",
    metadata,
    _id(),
    Column("line_ref", BigInteger),  # null for a manual entry; `entry_links` may link it to a line
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
    # Of an entry that a decision on an exception posted: the exception. Of a reversal: the reversed entry, and why.
    Column("finding_ref", BigInteger),
    Column("reverses", BigInteger),
    Column("reason", Text),
    PrimaryKeyConstraint("company_id", "id"),
    ForeignKeyConstraint(["company_id", "line_ref"], [lines.c.company_id, lines.c.id]),
    Index("entries_of_line", "company_id", "line_ref", "version", "kind", "part", unique=True),
    Index("entries_by_patient", "company_id", "patient_id"),
    Index("entries_by_deposit_date", "clinic_id", "deposit_date"),
    Index("entries_by_day", "deposit_date", "id"),
)

# What only a manual entry has. `request_key` names the request that made it: repeated, it posts nothing. Append-only.
manual_entries = Table(
    "manual_entries",
    metadata,
    Column("company_id", Text, nullable=False),
    Column("entry_ref", BigInteger, nullable=False),
    Column("purpose", Text, nullable=False),  # an EntryPurpose
    Column("request_key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),  # of what was requested
    PrimaryKeyConstraint("company_id", "entry_ref"),
    ForeignKeyConstraint(["company_id", "entry_ref"], [entries.c.company_id, entries.c.id]),
    Index("manual_entries_by_request", "company_id", "request_key", unique=True),
)

# The line that a manual entry belongs to. A link is ended, and never changed or deleted.
entry_links = Table(
    "entry_links",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("entry_ref", BigInteger, nullable=False),
    Column("line_ref", BigInteger, nullable=False),
    Column("finding_ref", BigInteger),  # the exception for which a user made the link
    Column("linked_at", Moment, nullable=False),
    Column("linked_by", Text, nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", Text),
    Column("end_reason", Text),
    PrimaryKeyConstraint("company_id", "id"),
    ForeignKeyConstraint(["company_id", "entry_ref"], [entries.c.company_id, entries.c.id]),
    ForeignKeyConstraint(["company_id", "line_ref"], [lines.c.company_id, lines.c.id]),
    ForeignKeyConstraint(["company_id", "finding_ref"], [findings.c.company_id, findings.c.id]),
    Index("entry_links_of_entry", "company_id", "entry_ref", unique=True, postgresql_where=text("ended_at IS NULL")),
    Index("entry_links_of_line", "company_id", "line_ref"),
)

# Refunds that the office pays, and payments that the bank takes back. The money is that of a line, of a manual entry
# or, if both are null, of the account. A decision is written once, and the rest of the row never changes.
repayments = Table(
    "repayments",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("clinic_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # refund, bounced_check or chargeback
    Column("amount", Dollars, nullable=False),
    Column("method", Text, nullable=False),
    Column("charge_type", Text, nullable=False),
    Column("date_of_service", Date),
    Column("fee", Dollars),  # what the bank charged the office
    Column("reason", Text, nullable=False),
    Column("line_ref", BigInteger),
    Column("paid_entry_ref", BigInteger),  # the manual entry that is paid back
    Column("request_key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("approved_at", Moment),
    Column("approved_by", Text),
    Column("issued_at", Moment),
    Column("issued_by", Text),
    Column("entry_ref", BigInteger),  # the entry that it posted
    Column("voided_at", Moment),
    Column("voided_by", Text),
    Column("void_reason", Text),
    PrimaryKeyConstraint("company_id", "id"),
    ForeignKeyConstraint(["company_id", "line_ref"], [lines.c.company_id, lines.c.id]),
    ForeignKeyConstraint(["company_id", "paid_entry_ref"], [entries.c.company_id, entries.c.id]),
    ForeignKeyConstraint(["company_id", "entry_ref"], [entries.c.company_id, entries.c.id]),
    CheckConstraint("num_nonnulls(line_ref, paid_entry_ref) <= 1", name="repayments_target"),
    Index("repayments_by_request", "company_id", "request_key", unique=True),
    Index("repayments_by_patient", "company_id", "patient_id"),
    Index("repayments_of_entry", "company_id", "entry_ref", unique=True),
)

# Money that was moved to the account of another patient, as a pair of entries of the same clinic, day and method. The
# money is that of a line, of a manual entry or, if both are null, of the account. A transfer is undone by reversals of
# both entries. Append-only.
transfers = Table(
    "transfers",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("clinic_id", Text, nullable=False),
    Column("from_patient_id", Text, nullable=False),
    Column("to_patient_id", Text, nullable=False),
    Column("line_ref", BigInteger),
    Column("moved_entry_ref", BigInteger),  # the manual entry whose money was moved
    Column("from_entry_ref", BigInteger, nullable=False),  # the negative entry
    Column("to_entry_ref", BigInteger, nullable=False),  # the positive entry
    Column("request_key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("company_id", "id"),
    ForeignKeyConstraint(["company_id", "line_ref"], [lines.c.company_id, lines.c.id]),
    ForeignKeyConstraint(["company_id", "moved_entry_ref"], [entries.c.company_id, entries.c.id]),
    ForeignKeyConstraint(["company_id", "from_entry_ref"], [entries.c.company_id, entries.c.id]),
    ForeignKeyConstraint(["company_id", "to_entry_ref"], [entries.c.company_id, entries.c.id]),
    CheckConstraint("num_nonnulls(line_ref, moved_entry_ref) <= 1", name="transfers_source"),
    Index("transfers_by_request", "company_id", "request_key", unique=True),
    Index("transfers_from_patient", "company_id", "from_patient_id"),
    Index("transfers_to_patient", "company_id", "to_patient_id"),
    Index("transfers_of_from_entry", "company_id", "from_entry_ref", unique=True),
    Index("transfers_of_to_entry", "company_id", "to_entry_ref", unique=True),
)

# Money applied to a charge, or unapplied (negative). It is that of a line or, if `line_ref` is null, of a manual entry
# that belongs to no line. Append-only. Closed months do not block it (rule D8).
allocations = Table(
    "allocations",
    metadata,
    _id(),
    Column("line_ref", BigInteger),
    Column("clinic_id", Text, nullable=False),
    Column("charge_id", Text, nullable=False),
    Column("company_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("amount", Dollars, nullable=False),
    Column("rule", Text, nullable=False),
    Column("distribution_date", Date, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("entry_ref", BigInteger),
    Index("allocations_by_patient", "company_id", "patient_id"),
    PrimaryKeyConstraint("company_id", "id"),
    ForeignKeyConstraint(["company_id", "line_ref"], [lines.c.company_id, lines.c.id]),
    ForeignKeyConstraint(["company_id", "entry_ref"], [entries.c.company_id, entries.c.id]),
    Index("allocations_of_line", "company_id", "line_ref"),
    CheckConstraint("num_nonnulls(line_ref, entry_ref) = 1", name="allocations_source"),
    Index("allocations_of_entry", "company_id", "entry_ref", postgresql_where=text("entry_ref IS NOT NULL")),
)

# Cash drawers of clinics (rule D10). A drawer is opened, locked by its first count, and closed; a trigger refuses other
# changes. A clinic has at most one drawer that is not locked.
drawers = Table(
    "drawers",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("clinic_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("shift", Integer, nullable=False),
    Column("starting_cash", Dollars, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("locked_at", Moment),
    Column("locked_by", Text),
    Column("closed_at", Moment),
    Column("closed_by", Text),
    PrimaryKeyConstraint("company_id", "id"),
    Index("drawers_of_day", "company_id", "clinic_id", "day", "shift", unique=True),
    Index("drawers_open", "company_id", "clinic_id", unique=True, postgresql_where=text("locked_at IS NULL")),
)

# The payments that drawers took: for a payment and a method, the EMR's amount less what earlier drawers took.
# Append-only.
drawer_lines = Table(
    "drawer_lines",
    metadata,
    Column("company_id", Text, nullable=False),
    Column("drawer_ref", BigInteger, nullable=False),
    Column("line_ref", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("clinic_id", Text, nullable=False),
    Column("amount", Dollars, nullable=False),
    # The payment when the drawer was locked.
    Column("patient_id", Text, nullable=False),
    Column("reference", Text),
    Column("transaction_date", Date, nullable=False),
    Column("was_taken_before", Boolean, nullable=False),
    PrimaryKeyConstraint("company_id", "drawer_ref", "line_ref", "method"),
    ForeignKeyConstraint(["company_id", "drawer_ref"], [drawers.c.company_id, drawers.c.id]),
    ForeignKeyConstraint(["company_id", "line_ref"], [lines.c.company_id, lines.c.id]),
    Index("drawer_lines_of_clinic", "company_id", "clinic_id", "line_ref"),
)

# The counts of a drawer; the last one is valid. `cash` holds the number of each bill and coin, `others` the dollars of
# each other method. Append-only.
drawer_counts = Table(
    "drawer_counts",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("drawer_ref", BigInteger, nullable=False),
    Column("cash", JSONB, nullable=False),
    Column("others", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("counted_at", Moment, nullable=False),
    Column("counted_by", Text, nullable=False),
    PrimaryKeyConstraint("company_id", "id"),
    ForeignKeyConstraint(["company_id", "drawer_ref"], [drawers.c.company_id, drawers.c.id]),
    Index("drawer_counts_of_drawer", "company_id", "drawer_ref"),
)

# Deposits at the bank (rule D11). A reversal is a deposit that names the one that it reverses, with the opposite total.
# Append-only.
deposits = Table(
    "deposits",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("clinic_id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("bank_account", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("total", Sum, nullable=False),
    Column("count", Integer, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("request_key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),  # of what was requested
    Column("reversed_ref", BigInteger),  # of a reversal: the deposit that it reverses, and why
    Column("reason", Text),
    PrimaryKeyConstraint("company_id", "id"),
    Index("deposits_by_request", "company_id", "request_key", unique=True),
    Index("deposits_by_reversed", "company_id", "reversed_ref", unique=True),
    Index("deposits_by_day", "company_id", "clinic_id", "day"),
)

# The entries on deposits. `turn` counts how often an entry was put on a deposit or taken off by a reversal: an odd turn
# puts it on, an even one takes it off. So no two deposits hold the same entry. Append-only.
deposit_items = Table(
    "deposit_items",
    metadata,
    Column("company_id", Text, nullable=False),
    Column("deposit_ref", BigInteger, nullable=False),
    Column("entry_ref", BigInteger, nullable=False),
    Column("turn", Integer, nullable=False),
    PrimaryKeyConstraint("company_id", "deposit_ref", "entry_ref"),
    ForeignKeyConstraint(["company_id", "deposit_ref"], [deposits.c.company_id, deposits.c.id]),
    ForeignKeyConstraint(["company_id", "entry_ref"], [entries.c.company_id, entries.c.id]),
    Index("deposit_items_of_entry", "company_id", "entry_ref", "turn", unique=True),
)

# The timeline of payments: each attempt with its worker, duration and error, each requeue with its user.
history = Table(
    "history",
    metadata,
    Column("at", Moment, nullable=False),
    _id_of_partitioned("history_id_seq"),
    Column("what", Text, nullable=False),  # a code; a sentence in rows from before migration 0014
    Column("line_ref", BigInteger),
    Column("set_aside_ref", BigInteger),
    Column("entry_id", Text),  # the stream entry id: the only reference while the event could not be read
    Column("version", BigInteger),
    Column("detail", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("duration_ms", Integer),
    Column("error", Text),
    Column("params", JSONB),  # the values that belong to the code
    Column("company_id", Text),  # that of the line or dead letter; null if the event could not be read
    Column("finding_ref", BigInteger),  # the exception, of an event in its life
    # No unique key: no statement looks a row up by its id, and each index costs every import.
    Index("history_by_time", "at", postgresql_using="brin"),
    Index("history_of_line", "company_id", "line_ref"),
    Index(
        "history_of_dead_letter",
        "company_id",
        "set_aside_ref",
        postgresql_where=text("set_aside_ref IS NOT NULL"),
    ),
    Index("history_by_entry", "entry_id", postgresql_where=text("line_ref IS NULL AND set_aside_ref IS NULL")),
    postgresql_partition_by="RANGE (at)",
)

# Internal notes of users on a payment, an exception of it (then both columns are set), or a patient's account. Rows are
# only inserted. No foreign keys: they would need keys that exist only after the upgrade of an earlier release.
notes = Table(
    "notes",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("line_ref", BigInteger),
    Column("finding_ref", BigInteger),
    Column("patient_id", Text),
    Column("body", Text, nullable=False),
    Column("written_at", Moment, nullable=False),
    Column("written_by", Text, nullable=False),
    PrimaryKeyConstraint("company_id", "id"),
    Index("notes_of_line", "company_id", "line_ref", postgresql_where=text("line_ref IS NOT NULL")),
    Index("notes_of_patient", "company_id", "patient_id", postgresql_where=text("patient_id IS NOT NULL")),
)

# Earlier versions of rows, with the end of their validity. Triggers insert them; `db/as_of.py` reads them.

VALID_TO = "until"


def versions_table(table: str) -> str:
    """Return the name of the table that holds earlier versions of a table's rows."""
    return f"{table}_was"


def _versions(table: Table) -> Table:
    name = versions_table(table.name)
    columns = (Column(column.name, column.type, nullable=column.nullable) for column in table.columns)
    valid_to = Column(VALID_TO, Moment, nullable=False)
    index = Index(f"{name}_{VALID_TO}", VALID_TO)
    return Table(name, metadata, valid_to, *columns, index, postgresql_partition_by=f"RANGE ({VALID_TO})")


VERSIONED = (lines, dead_letters, findings, charges)
for _table in VERSIONED:
    _versions(_table)

# Items of recurring work that failed, such as an account or a month. Each is tried again at `next_try_at`, and the
# others are processed meanwhile. `kind` says what `item_id` names; it is empty for a whole company.
postponed_work = Table(
    "postponed_work",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("item_id", Text, primary_key=True),
    Column("failed_attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("first_failed_at", Moment, nullable=False),
    Column("failed_at", Moment, nullable=False),
    Column("next_try_at", Moment, nullable=False),
)

# The size of each company's work queues at the end of a day (`payments/store/reports/daily_queues.py`). `clinic_id` is
# empty for events whose clinic cannot be read.
daily_queues = Table(
    "daily_queues",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("queue", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("detail", Text, primary_key=True),
    Column("clinic_id", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("amount", Sum, nullable=False),
    Column("oldest_at", Moment, nullable=False),
)

# Jobs that run once a day for the whole installation: the day of the last complete run, and the progress of the run of
# `running_day` by company id.
job_runs = Table(
    "job_runs",
    metadata,
    Column("job", Text, primary_key=True),
    Column("day", Date),
    Column("finished_at", Moment),
    Column("running_day", Date),
    Column("last_company", Text),
)

# The result of a nightly job for one company and one night; `finished_at` is null while it runs. What is counted in
# `examined` and `found`, and summed up in `amount`, depends on the job (`payments/core/nightly_job.py`).
nightly_results = Table(
    "nightly_results",
    metadata,
    Column("company_id", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("examined", BigInteger, nullable=False),
    Column("found", BigInteger, nullable=False),
    Column("amount", Sum, nullable=False),
)

# The Celery task of each import transaction. `at` and `who` are those of the rows that it added to the history. One row
# a transaction, because an id in each row of the history would make imports slower.
import_tasks = Table(
    "import_tasks",
    metadata,
    Column("at", Moment, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("task_id", Text, nullable=False),
    Index("import_tasks_by_task", "task_id"),
)

# The progress of `workers.migrate` in filling the company of earlier rows: `position` is the key of the last row.
backfills = Table(
    "backfills",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("position", ARRAY(Text), nullable=False),
    Column("rows_done", BigInteger, nullable=False),
    Column("finished", Boolean, nullable=False),
)

# Users of the console.

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("clinics", ARRAY(Text)),  # the clinics of these companies that the user may see; null for all
    Column("password_hash", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("disabled_at", Moment),
    Column("companies", ARRAY(Text)),  # the companies to which the user belongs; null for all
    Column("companies_since", Moment),  # when `companies` was last changed; null if never
    # The pairs of a company and a clinic that the user may see, for a user of several companies with limited clinics.
    Column("clinic_keys", JSONB),
    Column("must_change_password", Boolean, nullable=False, server_default=text("false")),
    # Another user with a name that differs by case only was added earlier, before names were compared without case.
    Column("is_namesake", Boolean, nullable=False, server_default=text("false")),
    Index("users_by_folded_name", text("lower(name)"), unique=True, postgresql_where=text("NOT is_namesake")),
)

# Browser sessions and API tokens. Only a hash of each token is stored.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_name", Text, ForeignKey(users.c.name), nullable=False),
    Column("kind", Text, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("last_used_at", Moment),  # to the minute
    Column("address", Text),  # the IP address of the last use
    Index("sessions_by_user", "user_name"),
)

# Payment Logs of the EMR that users uploaded to compare them with Billing. A file names no company: it belongs to its
# user, and nobody else reads it. It is deleted a day later.
uploaded_logs = Table(
    "uploaded_logs",
    metadata,
    _id(),
    Column("user_name", Text, ForeignKey(users.c.name), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    PrimaryKeyConstraint("id"),
    Index("uploaded_logs_by_user", "user_name", "id"),
)

# Consecutive failed logins, by name and by address.
login_failures = Table(
    "login_failures",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("blocked_until", Moment),
)

# The audit history: who changed, exported or viewed what. Append-only.
audit = Table(
    "audit",
    metadata,
    _id_of_partitioned("audit_id_seq"),
    Column("at", Moment, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("company_id", Text),  # null for an action that concerns the installation, or several companies
    PrimaryKeyConstraint("id", "at"),
    Index("audit_by_who", "who", "id"),
    postgresql_partition_by="RANGE (at)",
)

# Requeue runs and their progress. `choice` is the filter; `aside_...` are ids of dead letters.
requeue_runs = Table(
    "requeue_runs",
    metadata,
    _id(),
    Column("begun_at", Moment, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("choice", JSONB, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    # The last row that was requeued, and the last row at the start.
    Column("line_reached", BigInteger, nullable=False),
    Column("line_last", BigInteger, nullable=False),
    Column("aside_reached", BigInteger, nullable=False),
    Column("aside_last", BigInteger, nullable=False),
    Column("moved_at", Moment, nullable=False),
    Column("state", Text, nullable=False),
    PrimaryKeyConstraint("id"),
    Column("company_id", Text),  # null if the filter selects payments of several companies
    Column("finished_at", Moment),
    Column("outcome", JSONB),  # what became of the payments, once all of them were evaluated
    Index(
        "requeue_runs_active",
        "id",
        postgresql_where=text("state = 'running' OR finished_at IS NOT NULL AND outcome IS NULL"),
    ),
)

# What a run has requeued: a line or a dead letter. Rows are inserted, and deleted some weeks after the end of the run.
requeue_items = Table(
    "requeue_items",
    metadata,
    Column("company_id", Text),  # null if the event could not be read
    Column("run_id", BigInteger, nullable=False),
    Column("line_ref", BigInteger),
    Column("set_aside_ref", BigInteger),
    Index("requeue_items_by_run", "run_id"),
)

# Saved views: the filters and the sort of a list under a name. `query` holds them as the query string of an address.
saved_views = Table(
    "saved_views",
    metadata,
    Column("company_id", Text, nullable=False),
    _id(),
    Column("list_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("saved_at", Moment, nullable=False),
    PrimaryKeyConstraint("company_id", "id"),
    Index("saved_views_by_name", "company_id", "owner", "list_name", "name", unique=True),
)
