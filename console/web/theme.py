"""The colours that a user chose: light, dark, or the colours of the system."""

from fastapi import Request

THEME_COOKIE = "payments_theme"
"""The cookie with the chosen colours, which `console.js` sets. Without it, pages use the colours of the system."""
_THEMES = frozenset({"light", "dark"})


def chosen_theme(request: Request) -> str:
    """Return `light` or `dark`, or an empty text for the colours of the system."""
    name = request.cookies.get(THEME_COOKIE, "")
    return name if name in _THEMES else ""
