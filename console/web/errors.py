"""The errors that pages raise: a request is refused, a login is missing, or a password must be changed first."""

from dataclasses import dataclass, field


class PageError(Exception):
    """A page or the API refuses a request.

    `sentence` says what happened, and `next_step` what the user can do. If `field` names a filter, the page shows its
    form again, with the sentence at this field.
    """

    def __init__(self, status: int, sentence: str, next_step: str = "", *, field: str = "") -> None:
        self.status, self.sentence, self.next_step, self.field = status, sentence, next_step, field
        super().__init__(sentence)


def capitalized(sentence: str) -> str:
    """Return a sentence with an upper-case first letter. The rest is unchanged."""
    return sentence[:1].upper() + sentence[1:]


@dataclass(frozen=True)
class SentForm:
    """A form that a user has submitted.

    `page` is the address of the page with the form, and `path` the path to which the form was sent. `fields` are names
    and values, without the CSRF token and passwords. `user` is the name of the user.
    """

    user: str
    page: str
    path: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)


class LoginRequiredError(Exception):
    """The request has no valid session and no valid token.

    `sent` is the form that was submitted with an expired session. After a login, the form is shown again.
    """

    def __init__(self, sent: SentForm | None = None) -> None:
        self.sent = sent
        super().__init__()


class PasswordChangeRequiredError(Exception):
    """The user must replace a temporary password before doing anything else."""
