"""Errors of publishing."""


class FeedError(Exception):
    """The feed did not accept the events. Some of the unconfirmed events may have arrived."""

    _verb = "did not accept"
    _advice = "Publish again once it answers"

    def __init__(self, server: str, problem: str, confirmed_count: int = 0) -> None:
        self.server, self.problem = server, problem
        self.confirmed_count = confirmed_count
        super().__init__(
            f"Redis at {server} {self._verb} the events ({problem}); {confirmed_count} were confirmed. "
            f"{self._advice}: the event ids make a repeat harmless."
        )


class FeedUnreachableError(FeedError):
    """Redis did not answer in time."""


class FeedRefusedError(FeedError):
    """Redis answered with an error: no permission, out of memory, read-only, or the key is not a stream."""

    _verb = "rejected"
    _advice = "Fix the cause and publish again"
    may_concern_event = False
    """Whether Redis gave no code of a state of its own, so that the error may concern the event alone."""


class FeedUnconfirmedError(FeedError):
    """The events were sent, but replicas or the disk did not confirm them in time. They may be on the stream.

    Until a confirmation arrives, further calls raise this error without sending events.
    """

    _verb = "did not confirm"
    _advice = "They may be on the stream already. Publish them again"


class FeedFullError(FeedError):
    """A stream has as many unprocessed events as the publisher's limit permits. Nothing was sent to it."""

    _verb = "did not get"
    _advice = "Publish them when Billing has imported some; `payments health` shows what stops the import"

    def __init__(self, server: str, stream: str, unprocessed: int, limit: int, confirmed_count: int = 0) -> None:
        self.stream, self.unprocessed, self.limit = stream, unprocessed, limit
        problem = f"the stream {stream} has {unprocessed:,} unprocessed events, and the limit is {limit:,}"
        super().__init__(server, problem, confirmed_count)
