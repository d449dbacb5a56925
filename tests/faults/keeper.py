"""`payments up` for fault tests: the same processes, but no Flower, and one that ends is started again at once.

The product waits longer after each ending. A test that kills 200 times would do little else than wait.
"""

import functools
import os
import sys

from config.settings import read_settings
from workers import stack
from workers.supervisor import Backoff, Supervisor

if __name__ == "__main__":
    stack.Supervisor = functools.partial(Supervisor, backoff=Backoff(first_seconds=0.2, most_seconds=0.5))
    stack.APPLICATIONS = tuple(name for name in stack.APPLICATIONS if name != "flower")
    sys.exit(stack.main(read_settings(os.environ)))
