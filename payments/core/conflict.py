"""The error that refuses a change because somebody else has changed the same values meanwhile."""


class ChangedMeanwhileError(ValueError):
    """Somebody else has changed the values that a user saw, so the user's change was not saved.

    `subject` is what the user wanted to change, such as `clinic north`. `changes` says what changed, such as
    `integration: off to on`. `changed_by` is the user who made the last change, empty if unknown.
    """

    def __init__(self, subject: str, changes: str, changed_by: str = "") -> None:
        self.subject, self.changes, self.changed_by = subject, changes, changed_by
        super().__init__(f"{subject} was changed meanwhile: {changes}; nothing was saved")
