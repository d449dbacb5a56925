"""Whether one part works, for whatever watches a container: `python -m workers.probe importer` ends with 0 or 1.

It asks what `payments health` asks. A worker has to send a canary back: one that is up and takes nothing is not well.
"""

import os
import sys
from collections.abc import Sequence

from config.engines import NotRunningError, engines_in_force
from config.settings import SettingsError, read_settings
from tasks.health_check import Part, check
from workers.runtime.config_errors import EXIT_MISCONFIGURED

# A worker may be at a chunk of a backlog when the canary arrives.
CANARY_SECONDS = 15


def main(names: Sequence[str]) -> int:
    """Look at the parts of these names; return 0 if there are such and all of them work."""
    try:
        settings = read_settings(os.environ)
        parts = check(engines_in_force(settings), settings, CANARY_SECONDS)
    except (SettingsError, NotRunningError) as error:
        sys.stderr.write(f"probe: {error}\n")
        return EXIT_MISCONFIGURED
    return tell(names, parts)


def tell(names: Sequence[str], parts: Sequence[Part]) -> int:
    """Say what is not well of those that were asked for, and return the exit status."""
    seen = {part.name: part for part in parts}
    # Without Redis nothing is known of the workers, and they are not in the list.
    down = [
        f"{name}: {seen[name].detail if name in seen else 'nothing is known of it'}"
        for name in names
        if name not in seen or not seen[name].is_up
    ]
    sys.stderr.writelines(f"{line}\n" for line in down)
    return 1 if down or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
