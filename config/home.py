"""The directory of an installation's data, logs and run files (`PAYMENTS_HOME`). It imports no library."""

from collections.abc import Mapping
from pathlib import Path


def default_home() -> Path:
    """Return `.payments/` in the checkout that holds this file, or in the current folder if installed elsewhere."""
    checkout = Path(__file__).resolve().parent.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / ".payments"


def read_home(environ: Mapping[str, str]) -> Path:
    """Return the directory that `PAYMENTS_HOME` names in this environment, or the default one."""
    given = environ.get("PAYMENTS_HOME", "").strip()
    return Path(given).expanduser().absolute() if given else default_home()
