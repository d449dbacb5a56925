"""Brings the database to the newest form, and ends; harmless when it is there already."""

import os
from collections.abc import Mapping

from config.engines import engines_in_force
from config.logging import configure_logging
from config.settings import read_settings
from workers.runtime.config_errors import in_one_line
from workers.runtime.schema import upgrade_schema


def main(environ: Mapping[str, str]) -> None:
    """Migrate the database of DATABASE_URL, whose user must own its tables. Raises SettingsError, NotRunningError."""
    settings = read_settings(environ)
    configure_logging(settings, "migrate")
    upgrade_schema(settings.database_url or engines_in_force(settings).database_url, settings)


if __name__ == "__main__":
    with in_one_line("migrate"):
        main(os.environ)
