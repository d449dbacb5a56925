"""The errors that pages raise: a refusal with its HTTP status, a missing login, and a password to change first."""

from dataclasses import dataclass, field


class PageError(Exception):
    """A page or the API refuses a request.

    `sentence` says what happened, and `next_step` what the user can do. `field` is the name of a wrong filter: the page
    then shows its form again, with the sentence at this field.
    """

    def __init__(self, status: int, sentence: str, next_step: str = "", *, field: str = "") -> None:
        self.status, self.sentence, self.next_step, self.field = status, sentence, next_step, field
        super().__init__(sentence)


def capitalized(sentence: str) -> str:
    """Return a sentence with its first letter in upper case; the rest is unchanged."""
    return sentence[:1].upper() + sentence[1:]


@dataclass(frozen=True)
class SentForm:
    """A form that a user has filled in and sent.

    `page` is the address of the page with the form, and `path` the path to which the form was sent. `fields` are names
    and values, without the CSRF token and passwords. `user` is the name of the user.
    """

    user: str
    page: str
    path: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)


class LoginRequiredError(Exception):
    """The request has no valid session and no valid token.

    `sent` is the form that the user of an expired session has sent. After a login it can be filled in again.
    """

    def __init__(self, sent: SentForm | None = None) -> None:
        self.sent = sent
        super().__init__()


class PasswordChangeRequiredError(Exception):
    """The user has to replace a temporary password before anything else."""
