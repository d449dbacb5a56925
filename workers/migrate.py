"""Brings the database to the newest form, and ends; harmless when it is there already."""

import os
import sys
from collections.abc import Mapping

from config.engines import NotRunningError, engines_in_force
from config.logging import configure_logging
from config.settings import SettingsError, read_settings
from workers.stack import upgrade_schema
from workers.supervisor import EXIT_MISCONFIGURED


def main(environ: Mapping[str, str]) -> int:
    """Migrate the database of DATABASE_URL, whose user must own its tables; return the exit status."""
    try:
        settings = read_settings(environ)
        configure_logging(settings, "migrate")
        database_url = settings.database_url or engines_in_force(settings).database_url
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"migrate: {error}\n")
        return EXIT_MISCONFIGURED
    upgrade_schema(database_url, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
