"""The errors that pages raise: one for a refusal with its HTTP status, one for a missing login."""


class PageError(Exception):
    """A page or the API refuses a request.

    Carries the HTTP status, one sentence that says what happened, and one that says what the user can do next.
    """

    def __init__(self, status: int, sentence: str, next_step: str = "") -> None:
        self.status, self.sentence, self.next_step = status, sentence, next_step
        super().__init__(sentence)


def capitalized(sentence: str) -> str:
    """Return a sentence with its first letter in upper case; the rest is unchanged."""
    return sentence[:1].upper() + sentence[1:]


class LoginRequiredError(Exception):
    """The request carries neither a valid session nor a valid token."""
