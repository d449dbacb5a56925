"""The keys and indexes that begin with the company, and the earlier keys and indexes that they replace.

`online.py` creates the new keys and indexes while all processes work. It drops the earlier ones when no process of an
earlier release is left. In between, both exist. A new database gets the final state with its first migration.
"""

from typing import NamedTuple

from payments.store.tables import MAY_BE_UNPOSTED


class KeyIndex(NamedTuple):
    """An index to create. With `nulls`, null values count as equal in a unique index (NULLS NOT DISTINCT)."""

    name: str
    table: str
    columns: str
    unique: bool = False
    nulls: bool = False
    where: str = ""
    method: str = "btree"

    def create_statement(self, *, concurrently: bool = False) -> str:
        """Return the statement that creates the index on its table. `concurrently` adds CONCURRENTLY."""
        return self._create_statement(self.name, self.table, "CONCURRENTLY" if concurrently else "", "")

    def creation_on_parent(self) -> str:
        """Return the statement that creates the index on a partitioned table, but not on its partitions."""
        return self._create_statement(self.name, self.table, "", "ONLY")

    def creation_on_partition(self, partition: str) -> str:
        """Return the statement that creates the index on a partition, while all processes work."""
        return self._create_statement(self.name_on(partition), partition, "CONCURRENTLY", "")

    def name_on(self, partition: str) -> str:
        """Return the name of the index on a partition."""
        return partition + self.name.removeprefix(self.table)

    def _create_statement(self, name: str, table: str, concurrently: str, only: str) -> str:
        unique, nulls = "UNIQUE" if self.unique else "", "NULLS NOT DISTINCT" if self.nulls else ""
        where = f"WHERE {self.where}" if self.where else ""
        target = f"{only} {table} USING {self.method} ({self.columns})"
        return f"CREATE {unique} INDEX {concurrently} {name} ON {target} {nulls} {where}"


class ForeignKey(NamedTuple):
    """A foreign key to create. Its name follows the convention of `tables.py`."""

    table: str
    columns: str
    target: str

    @property
    def name(self) -> str:
        """The name of the constraint."""
        return f"{self.table}_{self.columns.replace(', ', '_')}_fkey"


INDEXES = (
    KeyIndex("clinics_of_company", "clinics", "company_id, clinic_id", unique=True),
    KeyIndex("account_marks_key", "account_marks", "company_id, id", unique=True),
    KeyIndex("events_key", "events", "company_id, event_id, saved_month", unique=True),
    KeyIndex("lines_id_key", "lines", "company_id, id", unique=True),
    KeyIndex("lines_key", "lines", "company_id, clinic_id, payment_id, line_id", unique=True),
    KeyIndex("lines_by_id", "lines", "id"),
    # For the search. `numeric` is not leakproof, so row-level security lets only a function use the first.
    KeyIndex("lines_by_amount", "lines", "company_id, amount_paid, id", where="amount_paid IS NOT NULL"),
    KeyIndex("lines_by_reference", "lines", "company_id, reference", where="reference IS NOT NULL"),
    KeyIndex("patients_by_term", "patients", "patient_terms(company_id, patient_id, name)", method="gin"),
    # In this order, each company's due rows are taken in its share (`fair_shares.py`).
    KeyIndex("lines_due_by_company", "lines", "company_id, due_at, id", where="due_at IS NOT NULL"),
    # Payments that may not be in Billing (`payments/store/feed/posted.py`).
    KeyIndex("lines_not_posted", "lines", "saved_at, id", where=MAY_BE_UNPOSTED),
    KeyIndex("lines_not_posted_by_clinic", "lines", "company_id, clinic_id, saved_at, id", where=MAY_BE_UNPOSTED),
    KeyIndex("set_aside_due_by_company", "set_aside", "company_id, due_at, id", where="due_at IS NOT NULL"),
    KeyIndex("set_aside_key", "set_aside", "company_id, id", unique=True, nulls=True),
    KeyIndex("set_aside_by_body", "set_aside", "company_id, body_hash", unique=True, nulls=True),
    KeyIndex("set_aside_by_id", "set_aside", "id"),
    # Only the query of `printed_key.py` implies this condition. Without statistics, other queries would take the index
    # in place of `set_aside_by_key`, and read all dead letters of the clinic.
    KeyIndex(
        "set_aside_clinics",
        "set_aside",
        "company_id, clinic_id",
        where="closed_at IS NULL AND company_id || clinic_id IS NOT NULL",
    ),
    KeyIndex("findings_id_key", "findings", "company_id, id", unique=True),
    KeyIndex("findings_of_line", "findings", "company_id, line_ref", unique=True, where="status = 'open'"),
    KeyIndex(
        "findings_of_attempt",
        "findings",
        "company_id, line_ref, version, reason, attempts, set_aside_ref",
        unique=True,
        nulls=True,
        where="status <> 'auto_closed'",
    ),
    KeyIndex("findings_by_id", "findings", "id"),
    KeyIndex("charges_key", "charges", "company_id, clinic_id, charge_id", unique=True),
    KeyIndex("entries_id_key", "entries", "company_id, id", unique=True),
    KeyIndex("entries_of_line", "entries", "company_id, line_ref, version, kind, part", unique=True),
    KeyIndex("allocations_id_key", "allocations", "company_id, id", unique=True),
    KeyIndex("allocations_of_line", "allocations", "company_id, line_ref"),
    KeyIndex("allocations_of_entry", "allocations", "company_id, entry_ref", where="entry_ref IS NOT NULL"),
    # Rows arrive in the order of time. A BRIN index costs the import nothing.
    KeyIndex("history_by_time", "history", "at", method="brin"),
    KeyIndex("history_of_line", "history", "company_id, line_ref"),
    KeyIndex("history_of_dead_letter", "history", "company_id, set_aside_ref", where="set_aside_ref IS NOT NULL"),
)

FOREIGN_KEYS = (
    ForeignKey("findings", "company_id, line_ref", "lines (company_id, id)"),
    ForeignKey("findings", "company_id, set_aside_ref", "set_aside (company_id, id)"),
    ForeignKey("entries", "company_id, line_ref", "lines (company_id, id)"),
    ForeignKey("allocations", "company_id, line_ref", "lines (company_id, id)"),
)

LATER_FOREIGN_KEYS = (
    ForeignKey("allocations", "company_id, entry_ref", "entries (company_id, id)"),
    ForeignKey("manual_entries", "company_id, entry_ref", "entries (company_id, id)"),
    ForeignKey("entry_links", "company_id, entry_ref", "entries (company_id, id)"),
    ForeignKey("entry_links", "company_id, line_ref", "lines (company_id, id)"),
    ForeignKey("entry_links", "company_id, finding_ref", "findings (company_id, id)"),
    ForeignKey("drawer_lines", "company_id, drawer_ref", "drawers (company_id, id)"),
    ForeignKey("drawer_lines", "company_id, line_ref", "lines (company_id, id)"),
    ForeignKey("drawer_counts", "company_id, drawer_ref", "drawers (company_id, id)"),
    ForeignKey("deposit_items", "company_id, deposit_ref", "deposits (company_id, id)"),
    ForeignKey("deposit_items", "company_id, entry_ref", "entries (company_id, id)"),
    ForeignKey("repayments", "company_id, line_ref", "lines (company_id, id)"),
    ForeignKey("repayments", "company_id, paid_entry_ref", "entries (company_id, id)"),
    ForeignKey("repayments", "company_id, entry_ref", "entries (company_id, id)"),
    ForeignKey("transfers", "company_id, line_ref", "lines (company_id, id)"),
    ForeignKey("transfers", "company_id, moved_entry_ref", "entries (company_id, id)"),
    ForeignKey("transfers", "company_id, from_entry_ref", "entries (company_id, id)"),
    ForeignKey("transfers", "company_id, to_entry_ref", "entries (company_id, id)"),
)
"""Foreign keys that are newer than the keys by company, because their tables or columns are newer."""

LATER_CHECKS = (("allocations", "allocations_source", "CHECK (num_nonnulls(line_ref, entry_ref) = 1)"),)
"""Checks that are newer than the keys by company: their tables, names and definitions."""

NOT_NULL_TABLES = ("findings", "findings_was")
"""Tables whose column `company_id` becomes NOT NULL once the backfill has set it in every row."""

PRIMARY_KEY_INDEXES = {
    "clinics": "clinics_of_company",
    "account_marks": "account_marks_key",
    "lines": "lines_id_key",
    "findings": "findings_id_key",
    "charges": "charges_key",
    "entries": "entries_id_key",
    "allocations": "allocations_id_key",
}
"""By table, the index that becomes the new primary key. The index then gets the name of the earlier primary key."""

DROPPED_CONSTRAINTS = {
    "findings": ("findings_line_ref_fkey", "findings_set_aside_ref_fkey"),
    "entries": ("entries_line_ref_fkey", "entries_line_ref_version_kind_part_key"),
    "allocations": ("allocations_line_ref_fkey",),
    "lines": ("lines_clinic_id_payment_id_line_id_key",),
    "set_aside": ("set_aside_pkey", "set_aside_body_hash_key"),
    "events": ("events_pkey",),
    "history": ("history_pkey",),
}
"""The constraints of earlier releases by table, in the order in which they are dropped."""

DROPPED_INDEXES = (
    "findings_one_open",
    "findings_once",
    "allocations_by_line",
    "history_by_line",
    "history_by_set_aside",
    "lines_due",
    "lines_to_look_at",
    "set_aside_due",
)

DROPPED_TRIGGERS = {"findings": "findings_company", "history": "history_company", "set_aside": "set_aside_company"}
"""By table, the trigger that sets the company of rows that processes of the previous release insert."""
