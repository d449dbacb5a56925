"""The reasons for which no payment can be imported at present."""

from enum import StrEnum


class OutageReason(StrEnum):
    """The reason why no transaction can succeed, regardless of its payments. The values are stored and logged."""

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
    def may_be_one_entry(self) -> bool:
        """Whether a single payment can be the cause, for example because another session has locked its row."""
        return self in {self.LOCK_TIMEOUT, self.TIME_LIMIT, self.OUT_OF_MEMORY, self.CONFLICT}

    @property
    def ends_with_any_posting(self) -> bool:
        """Whether any payment that is posted shows that the outage is over, because it hits all payments alike.

        A missing table or permission does not: only the payments that need it fail.
        """
        return self in {self.DATABASE_UNAVAILABLE, self.READ_ONLY, self.NOT_REPLICATED, self.FEED_UNAVAILABLE}
