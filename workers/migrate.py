"""The migrate service: upgrades the database schema and exits. It can run again at any time."""

import os
from collections.abc import Mapping

from config.engines import current_engines
from config.logging import configure_logging
from config.settings import read_settings
from workers.runtime.config_errors import exit_on_config_error
from workers.runtime.schema import upgrade_schema


def main(environ: Mapping[str, str]) -> None:
    """Upgrade the database of DATABASE_URL, whose user must own its tables.

    Raises SettingsError, NotRunningError, UnreachableEngineError.
    """
    settings = read_settings(environ)
    configure_logging(settings, "migrate")
    upgrade_schema(settings.database_url or current_engines(settings).database_url, settings)


if __name__ == "__main__":
    with exit_on_config_error("migrate"):
        main(os.environ)
