"""Counts with their noun: `1 payment`, `1,204 payments`."""


def plural(count: int, singular: str, plural_form: str = "") -> str:
    """Return a count with its noun; `plural_form` is needed where the plural is more than an added s."""
    return f"{count:,} {singular if count == 1 else plural_form or f'{singular}s'}"
