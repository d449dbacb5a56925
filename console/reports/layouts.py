"""The keys of each report in their agreed order, and which of them a table shows at which width."""

from dataclasses import replace

from console.reports.layout import Column, Layout

KEY = "key"
"""What a table shows in place of a column that programs get in full."""

GROUPS = "charge_type|deposit_date|method|clinic|user"

FEED = Layout(
    title="Claims Feed",
    keys=(
        *"payment version clinic patient charge_type amount saved_at status reason attempts".split(),
        *"application detail next_try_at refused".split(),
    ),
    columns=(
        Column(KEY, "Payment", wraps=True),
        Column("charge_type", "Charge type", from_width=100),
        Column("patient", "Patient", from_width=160),
        Column("amount", "Amount"),
        Column("saved_at", "Saved (UTC)", from_width=120),
        Column("status", "Status"),
        Column("reason", "Reason"),
        Column("version", "Version", from_width=170),
        Column("attempts", "Tries", from_width=170),
    ),
    noun="payment",
    empty="The Claims Feed holds no such payments.",
    total_of="amount",
)

FEED_SUMS = Layout(
    title="Claims Feed by status and reason",
    keys=("status", "reason", "count", "total"),
    columns=(
        Column("status", "Status"),
        Column("reason", "Reason"),
        Column("count", "Payments"),
        Column("total", "Amount"),
    ),
    noun="payment",
    empty="The Claims Feed holds no such payments.",
    total_of="total",
    counted_by="count",
)

LOG = Layout(
    title="Patient Payment Log",
    keys=tuple(
        "payment patient charge_type amount method deposit_date posting_date kind user unassigned".split(),
    ),
    columns=(
        Column("payment", "Payment", wraps=True),
        Column("patient", "Patient", from_width=120, wraps=True),
        Column("charge_type", "Charge type"),
        Column("method", "Method", from_width=100),
        Column("deposit_date", "Deposited"),
        Column("posting_date", "Posted", from_width=150),
        Column("kind", "Kind", from_width=160),
        Column("user", "User", from_width=190),
        Column("unassigned", "Unassigned", from_width=140),
        Column("amount", "Amount"),
    ),
    noun="row",
    empty="The Patient Payment Log holds no such payments.",
    total_of="amount",
)

EXPANDED_LOG = replace(
    LOG, keys=(*LOG.keys, "applied"), columns=(*LOG.columns, Column("went_to", "Applied to", wraps=True))
)

CLINICS = Layout(
    title="Clinics that send patient payments to Billing",
    keys=("clinic", "company", "integration", "types"),
    columns=(
        Column("clinic", "Clinic", wraps=True),
        Column("company", "Company", wraps=True),
        Column("integration", "Integration"),
        Column(KEY, "Charge types", wraps=True),
    ),
    noun="clinic",
    empty="No clinic is known yet; `payments settings set` or a first event makes one.",
)

HEALTH = Layout(
    title="Health",
    keys=("name", "is_up", "detail"),
    columns=(Column("name", "Part"), Column("state", "State"), Column("detail", "Detail", wraps=True)),
    noun="part",
    empty="There is nothing to look after.",
)


def log_sums(group: str) -> Layout:
    """Return the layout of the Patient Payment Log summed by one of its columns."""
    return Layout(
        title=f"Patient Payment Log by {group.replace('_', ' ')}",
        keys=(group, "count", "total"),
        columns=(
            Column(group, group.replace("_", " ").capitalize(), wraps=True),
            Column("count", "Rows"),
            Column("total", "Amount"),
        ),
        noun="row",
        empty=LOG.empty,
        total_of="total",
        counted_by="count",
    )


def timeline(payment: str) -> Layout:
    """Return the layout of the life of one payment."""
    return Layout(
        title=f"Timeline of {payment}",
        keys=("at", "what", "version", "detail", "who", "duration_ms", "error"),
        columns=(
            Column("at", "At (UTC)"),
            Column("what", "What", wraps=True),
            Column("version", "Version", from_width=100),
            Column("detail", "Detail", wraps=True),
            Column("who", "Who", from_width=120, wraps=True),
            Column("duration_ms", "ms", from_width=120),
        ),
        noun="event",
        empty="Nothing happened to it yet.",
    )
