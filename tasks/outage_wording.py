"""The sentence that the health check shows for each kind of outage."""

from payments.core.outage import OutageReason

SENTENCE_BY_OUTAGE = {
    OutageReason.DATABASE_UNAVAILABLE: "PostgreSQL does not answer",
    OutageReason.READ_ONLY: "the database is read-only; connect to the primary server",
    OutageReason.NOT_REPLICATED: "no standby confirms commits; connect a standby, or change synchronous_standby_names",
    OutageReason.PERMISSION_DENIED: "the database user lacks a permission; apply the grants again",
    OutageReason.SCHEMA_MISMATCH: "a table or column is missing; run `workers.migrate`",
    OutageReason.DISK_FULL: "PostgreSQL's disk is full",
    OutageReason.DISK_ERROR: "PostgreSQL cannot read or write its files",
    OutageReason.OUT_OF_MEMORY: "PostgreSQL or a worker is out of memory",
    OutageReason.LOCK_TIMEOUT: "another session holds a lock; end its transaction",
    OutageReason.TIME_LIMIT: "statements or tasks reach their time limit",
    OutageReason.CONFLICT: "transactions keep conflicting with others",
    OutageReason.FEED_UNAVAILABLE: "Redis does not answer",
}
