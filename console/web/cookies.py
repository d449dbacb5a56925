"""The names of the console's cookies."""

from config.settings import Settings


def cookie_name(settings: Settings, name: str) -> str:
    """Return the name of a cookie of this console. The name contains the console's port.

    A browser sends a host's cookies to all ports of the host. Without the port, two consoles on one host would end each
    other's sessions.
    """
    return f"{name}_{settings.console_port}"
