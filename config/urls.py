"""Parse the URL of a server strictly, and write it in a form that every client library parses in the same way.

urllib, libpq, SQLAlchemy, redis-py and kombu disagree about characters that are not percent-encoded. urllib ends the
host at a `#`, `?` or `/` in a password, and would connect to another server. libpq ends a password at its first `@`. So
a URL that two of these libraries could parse differently is refused. Any other URL is rewritten with percent-encoded
parts.

Error messages never quote the URL, because any part of a malformed URL may belong to its password.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from urllib.parse import quote, unquote_to_bytes, urlsplit

_URL_PATTERN = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL
)
_BARE_PERCENT_PATTERN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_AND_PORT_PATTERN = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>.*))?")
_HOST_NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_OPTION_NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}")
_PORT_MAX = 65_535
_ENCODING_HINT = "in a user name or password, percent-encode it: # is %23, / is %2F, ? is %3F, @ is %40, % is %25"

HostPort = tuple[str, int | None]
"""The name or address of a host, and its port if the URL contains one."""


@dataclass(frozen=True)
class EngineUrl:
    """The parts of a URL, percent-decoded."""

    scheme: str
    user: str
    password: str = field(repr=False)
    hosts: tuple[HostPort, ...]
    path: str
    options: Mapping[str, str] = field(repr=False)


def split_engine_url(text: str, schemes: Sequence[str], expected: str) -> EngineUrl:
    """Split a URL whose scheme is one of `schemes`, and return its parts.

    Raises ValueError if client libraries could parse the URL differently. The message contains `expected`, such as
    "redis:// or unix://", and quotes nothing of the text.
    """
    if text[:1] in {'"', "'", "`"}:
        raise ValueError("remove the quotes around the URL")
    if not (match := _URL_PATTERN.fullmatch(text)) or match["scheme"].lower() not in schemes:
        raise ValueError(f"expected a URL that starts with {expected}")
    if any(each.isspace() or not each.isprintable() for each in text):
        raise ValueError("the URL has a space, line break or control character in it; a space in a password is %20")
    if "#" in text:
        raise ValueError(f"the URL has a # in it; {_ENCODING_HINT}")
    authority, path, query = match["authority"], match["path"], match["query"] or ""
    if "@" in path + query:
        raise ValueError(f"the URL has a / or ? before an @; {_ENCODING_HINT}")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    return EngineUrl(
        match["scheme"].lower(),
        _decode(user),
        _decode(password),
        tuple(_split_host(host) for host in hosts.split(",")) if hosts else (),
        _decode(path),
        _split_options(query),
    )


def join_engine_url(
    scheme: str, url: EngineUrl, hosts: Sequence[HostPort], path: str, options: Mapping[str, str]
) -> str:
    """Return a percent-encoded URL of these parts, with the credentials of `url`."""
    authority = _encode_credentials(url) + ",".join(map(_join_host, hosts))
    query = "&".join(f"{name}={quote(value, safe='/,')}" for name, value in options.items())
    return f"{scheme}://{authority}{quote(path)}" + (f"?{query}" if query else "")


def port_number(text: str) -> int:
    """Parse a port number. Raises ValueError if it is invalid. The message does not quote the text."""
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError(f"the port is not a number; {_ENCODING_HINT}")
    if not 1 <= int(text[:9]) <= _PORT_MAX:
        raise ValueError(f"the port is not a number from 1 to {_PORT_MAX}")
    return int(text)


def validated_host(name: str) -> str:
    """Return the host name or address unchanged. Raises ValueError if it is invalid. The message does not quote it."""
    if not (_HOST_NAME_PATTERN.fullmatch(name) or _is_ipv6(name)):
        raise ValueError("the host is missing, or has a character that is not allowed in a host's name")
    return name


def reject_unknown_options(options: Mapping[str, str], known: Mapping[str, object], hints: Mapping[str, str]) -> None:
    """Check that all options are known.

    Otherwise raises ValueError. The message contains the name of the unknown option and its hint, if there is one.
    """
    for name in options:
        if name not in known:
            raise ValueError(f"{name}: {hints.get(name, 'there is no such option; remove it from the URL')}")


def normalize_web_address(url: str) -> str:
    """Return a web address without its trailing slash. Raises ValueError if it is invalid or contains credentials."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.query or parts.fragment or "@" in url:
        raise ValueError("expected an address such as https://payments.example.org, without a name or password")
    return url.rstrip("/")


def _split_host(text: str) -> HostPort:
    if (match := _HOST_AND_PORT_PATTERN.fullmatch(text)) is None:
        raise ValueError(f"expected host:port, with an IPv6 address in brackets; {_ENCODING_HINT}")
    port = port_number(match["port"]) if match["port"] else None
    if match["v6"] is None:
        name = _decode(match["name"])
        # libpq takes the folder of a socket here, percent-encoded.
        return (name if name.startswith("/") else validated_host(name)), port
    if not _is_ipv6(match["v6"]):
        raise ValueError("expected an IPv6 address without a zone in the brackets")
    return match["v6"], port


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text  # the clients disagree about the zone of an address


def _join_host(host: HostPort) -> str:
    name, port = host
    return (f"[{name}]" if ":" in name else name) + (f":{port}" if port else "")


def _split_options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if not _OPTION_NAME_PATTERN.fullmatch(name) or not value:
            raise ValueError(f"expected name=value after the ?; {_ENCODING_HINT}")
        if name in found:
            raise ValueError(f"{name}: give it once")
        found[name] = _decode(value)
    return found


def _decode(text: str) -> str:
    if _BARE_PERCENT_PATTERN.search(text):
        raise ValueError("the URL has a % that is not followed by two hexadecimal digits; write % as %25")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("the URL has percent-encoded bytes that are not UTF-8") from None
    if "\0" in decoded:
        raise ValueError("the URL has a null byte, %00, in it")
    return decoded


def _encode_credentials(url: EngineUrl) -> str:
    password = f":{quote(url.password, safe='')}" if url.password else ""
    return f"{quote(url.user, safe='')}{password}@" if url.user or password else ""
