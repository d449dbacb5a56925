"""The errors that pages raise: for a refusal with its HTTP status, a missing login, and a password to change first."""

from dataclasses import dataclass, field


class PageError(Exception):
    """A page or the API refuses a request.

    Carries the HTTP status, one sentence that says what happened, and one that says what the user can do next. `field`
    is the name of the filter that is wrong: the page then shows its form again, with the sentence at this field.
    """

    def __init__(self, status: int, sentence: str, next_step: str = "", *, field: str = "") -> None:
        self.status, self.sentence, self.next_step, self.field = status, sentence, next_step, field
        super().__init__(sentence)


def capitalized(sentence: str) -> str:
    """Return a sentence with its first letter in upper case; the rest is unchanged."""
    return sentence[:1].upper() + sentence[1:]


@dataclass(frozen=True)
class SentForm:
    """A form that a user has filled in and sent, to a path of the console, from one of its pages.

    `fields` are names and values, without the CSRF token and passwords. `user` is the name of the user.
    """

    user: str
    page: str
    path: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)


class LoginRequiredError(Exception):
    """The request carries neither a valid session nor a valid token.

    `sent` is the form of a user whose session has expired, so that it can be filled in again after a login.
    """

    def __init__(self, sent: SentForm | None = None) -> None:
        self.sent = sent
        super().__init__()


class PasswordChangeRequiredError(Exception):
    """The user has to replace a temporary password before anything else."""
