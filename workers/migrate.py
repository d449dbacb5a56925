"""The migrate service. It upgrades the database schema and exits. It may run at any time and repeatedly."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from config.engines import current_engines
from config.logging import configure_logging
from config.settings import read_settings
from workers.runtime.company_keys import UnfinishedError
from workers.runtime.config_errors import exit_on_config_error
from workers.runtime.schema import upgrade_schema


def main(environ: Mapping[str, str], arguments: Sequence[str] = ()) -> None:
    """Upgrade the schema of the database that DATABASE_URL names. The user of the URL must own the tables.

    Exits with 1 if `--finish` is given too early. Raises SettingsError if a setting is invalid, NotRunningError if the
    URL is missing, and UnreachableEngineError if PostgreSQL does not answer.
    """
    parser = argparse.ArgumentParser(prog="python -m workers.migrate", description=__doc__)
    parser.add_argument(
        "--finish", action="store_true", help="drop the keys of earlier releases, once their processes are replaced"
    )
    finishing = parser.parse_args(arguments).finish
    settings = read_settings(environ)
    configure_logging(settings, "migrate")
    try:
        upgrade_schema(settings.database_url or current_engines(settings).database_url, settings, finishing=finishing)
    except UnfinishedError as error:
        raise SystemExit(f"migrate: not finished: {error}") from None


if __name__ == "__main__":
    with exit_on_config_error("migrate"):
        main(os.environ, sys.argv[1:])
