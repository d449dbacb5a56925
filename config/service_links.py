"""Recognize the variables that Kubernetes adds to a container for each service of its namespace ("service links").

A service named `payments-console` adds `PAYMENTS_CONSOLE_PORT=tcp://10.0.0.1:8000`, which is not a setting.
"""

import re
from ipaddress import ip_address

SWITCH_OFF = "set enableServiceLinks: false in the pod's specification"

_PROTOCOL = "(?:tcp|udp|sctp)"
_PORT = rf"_PORT_[0-9]+_{_PROTOCOL.upper()}"
_NUMBER = re.compile(r"[0-9]{1,5}")
_ADDRESS = re.compile(rf"{_PROTOCOL}://[0-9A-Fa-f.:\[\]]+:[0-9]{{1,5}}")
# The end of a name, and the form of its value. Both must match, so a misspelt setting is not taken for a link.
_FORMS = (
    (re.compile(rf".+?(_PORT|{_PORT})"), _ADDRESS),
    (re.compile(rf".+{_PORT}_PROTO"), re.compile(_PROTOCOL)),
    (re.compile(rf".+({_PORT}_PORT|_SERVICE_PORT(_[A-Z0-9_]+)?)"), _NUMBER),
)
_HOST = re.compile(rf".+({_PORT}_ADDR|_SERVICE_HOST)")


def is_service_link(name: str, value: str) -> bool:
    """Return whether Kubernetes adds a variable of this name and value as a service link."""
    if _HOST.fullmatch(name):
        return _is_address(value)
    return any(form.fullmatch(name) and expected.fullmatch(value) for form, expected in _FORMS)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
