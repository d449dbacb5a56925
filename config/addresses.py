"""IP addresses in settings: the address on which a server listens, and the proxies that the console trusts."""

from ipaddress import ip_address, ip_network

LOOPBACK = "127.0.0.1"


def normalize_address(text: str) -> str:
    """Return the IP address in its usual form. Raises ValueError if the text is not an IP address."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("expected an IP address such as 127.0.0.1") from None


def split_networks(text: str) -> tuple[str, ...]:
    """Return the IP addresses and networks in a list separated by commas. Raises ValueError if one is invalid."""
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("expected IP addresses or networks such as 10.1.0.0/16, separated by commas") from None


def is_loopback(address: str) -> bool:
    """Return whether a server that listens on this address can be reached from this machine only."""
    return ip_address(address).is_loopback


def local_host(address: str) -> str:
    """Return the host of the URL by which programs on this machine reach a server that listens on `address`."""
    parsed = ip_address(address)
    if parsed.is_unspecified:  # the server listens on every address
        return LOOPBACK if parsed.version == 4 else "[::1]"
    return address if parsed.version == 4 else f"[{address}]"
