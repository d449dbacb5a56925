"""Recognize "service links": variables that Kubernetes adds to a container for each service in the namespace.

A service named `payments-console` adds `PAYMENTS_CONSOLE_PORT=tcp://10.0.0.1:8000`, which is not a setting.
"""

import re
from ipaddress import ip_address

DISABLING_HINT = "set enableServiceLinks: false in the pod's specification"

_PROTOCOL = "(?:tcp|udp|sctp)"
_PORT_PART = rf"_PORT_[0-9]+_{_PROTOCOL.upper()}"
_PORT_NUMBER_PATTERN = re.compile(r"[0-9]{1,5}")
_SERVICE_ADDRESS_PATTERN = re.compile(rf"{_PROTOCOL}://[0-9A-Fa-f.:\[\]]+:[0-9]{{1,5}}")
# The end of a name, and the form of its value. Both must match, so a misspelt setting is not taken for a link.
_NAME_AND_VALUE_PATTERNS = (
    (re.compile(rf".+?(_PORT|{_PORT_PART})"), _SERVICE_ADDRESS_PATTERN),
    (re.compile(rf".+{_PORT_PART}_PROTO"), re.compile(_PROTOCOL)),
    (re.compile(rf".+({_PORT_PART}_PORT|_SERVICE_PORT(_[A-Z0-9_]+)?)"), _PORT_NUMBER_PATTERN),
)
_HOST_VARIABLE_NAME_PATTERN = re.compile(rf".+({_PORT_PART}_ADDR|_SERVICE_HOST)")


def is_service_link(name: str, value: str) -> bool:
    """Return whether a variable with this name and value is a service link."""
    if _HOST_VARIABLE_NAME_PATTERN.fullmatch(name):
        return _is_ip_address(value)
    return any(form.fullmatch(name) and expected.fullmatch(value) for form, expected in _NAME_AND_VALUE_PATTERNS)


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
