"""Errors of publishing."""


class FeedError(Exception):
    """The feed did not accept the events. Some of the unconfirmed events may have arrived nevertheless."""

    _VERB = "did not accept"
    _ADVICE = "Publish again once it answers"

    def __init__(self, server: str, problem: str, confirmed_count: int = 0) -> None:
        self.server, self.problem = server, problem
        self.confirmed_count = confirmed_count
        super().__init__(
            f"Redis at {server} {self._VERB} the events ({problem}); {confirmed_count} were confirmed. "
            f"{self._ADVICE}: the event ids make a repeat harmless."
        )


class FeedUnreachableError(FeedError):
    """Redis did not answer in time."""


class FeedRefusedError(FeedError):
    """Redis replied with an error: no permission, out of memory, read-only, or the key is not a stream."""

    _VERB = "rejected"
    _ADVICE = "Fix the cause and publish again"
    may_concern_event = False
    """Whether the event may be the cause. False if the error code of Redis names a state of the server."""


class FeedUnconfirmedError(FeedError):
    """The events were sent, but replicas or disks did not confirm them in time. They may be on the stream.

    Until a confirmation arrives, further calls raise this error and send no events.
    """

    _VERB = "did not confirm"
    _ADVICE = "They may be on the stream already. Publish them again"


class FeedFullError(FeedError):
    """The number of unprocessed events on a stream has reached the publisher's limit.

    Nothing was sent to the stream.
    """

    _VERB = "did not get"
    _ADVICE = "Publish them when Billing has imported some; `payments health` shows what stops the import"

    def __init__(self, server: str, stream: str, unprocessed: int, limit: int, confirmed_count: int = 0) -> None:
        self.stream, self.unprocessed, self.limit = stream, unprocessed, limit
        problem = f"the stream {stream} has {unprocessed:,} unprocessed events, and the limit is {limit:,}"
        super().__init__(server, problem, confirmed_count)
