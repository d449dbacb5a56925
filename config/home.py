"""The directory of an installation's data, logs and run files (`PAYMENTS_HOME`). This module imports no library."""

from collections.abc import Mapping
from pathlib import Path


def default_home() -> Path:
    """Return the directory `.payments/` in the checkout that contains this file.

    If this file is not in a checkout, return `.payments/` in the current directory.
    """
    checkout = Path(__file__).resolve().parent.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / ".payments"


def read_home(environ: Mapping[str, str]) -> Path:
    """Return the directory that `PAYMENTS_HOME` names in `environ`, or the default directory."""
    given = environ.get("PAYMENTS_HOME", "").strip()
    return Path(given).expanduser().absolute() if given else default_home()
