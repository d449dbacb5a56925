"""The names of the console's cookies."""

from config.settings import Settings


def cookie_name(settings: Settings, name: str) -> str:
    """Return the name of a cookie of this console. It contains the port of the console.

    A browser sends the cookies of a host to all of its ports. Without the port in the name, two consoles on one host
    would end each other's sessions.
    """
    return f"{name}_{settings.console_port}"
