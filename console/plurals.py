"""Format a count with its noun: `1 payment`, `1,204 payments`."""


def plural(count: int, singular: str, plural_form: str = "") -> str:
    """Return a count with its noun. `plural_form` is needed if the plural does not just add an s."""
    return f"{count:,} {singular if count == 1 else plural_form or f'{singular}s'}"
