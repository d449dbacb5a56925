"""The reasons for which no payment can be imported at present."""

from enum import StrEnum


class OutageReason(StrEnum):
    """The reason why transactions fail although their payments are valid. The values are stored and logged."""

    DATABASE_UNAVAILABLE = "database_unavailable"
    READ_ONLY = "read_only"
    NOT_REPLICATED = "not_replicated"
    PERMISSION_DENIED = "permission_denied"
    SCHEMA_MISMATCH = "schema_mismatch"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    OUT_OF_MEMORY = "out_of_memory"
    LOCK_TIMEOUT = "lock_timeout"
    TIME_LIMIT = "time_limit"
    CONFLICT = "conflict"
    FEED_UNAVAILABLE = "feed_unavailable"

    @property
    def may_concern_one_payment(self) -> bool:
        """Whether a single payment may be the cause, for example if another session has locked its row."""
        return self in {self.LOCK_TIMEOUT, self.TIME_LIMIT, self.OUT_OF_MEMORY, self.CONFLICT}

    @property
    def affects_every_payment(self) -> bool:
        """Whether the outage affects every payment. Such an outage is over as soon as any payment is posted.

        A missing table or permission affects only the payments that need it.
        """
        return self in {self.DATABASE_UNAVAILABLE, self.READ_ONLY, self.NOT_REPLICATED, self.FEED_UNAVAILABLE}
