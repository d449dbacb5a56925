"""`make test` uses the same random examples in each run, and `make test-deep` draws new ones."""

from pathlib import Path

from hypothesis import settings

from tests.examples import DEEP_EXAMPLES
from tests.house.source import ROOT


def test_examples_are_the_same_in_each_run_except_deep_runs() -> None:
    profile = settings()

    assert (profile.derandomize, profile.database is None) == ((False, False) if DEEP_EXAMPLES else (True, True))


def test_no_test_sets_a_seed_or_a_profile() -> None:
    words = ("derandomize", "use_true_random=True", "load_profile", "hypothesis import seed", "register_profile")
    found = {
        (path.name, word)
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.name != Path(__file__).name
        for word in words
        if word in path.read_text()
    }

    assert found == set()
