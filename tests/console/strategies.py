"""Hypothesis strategies of unusual input for commands, pages and API calls."""

from hypothesis import strategies as st

from payments.contract.event import ChargeType
from payments.core.outcome import Reason, Status

KNOWN_WORDS = (*Status, *Reason, *ChargeType, "on", "csv", "company")
DATE_WORDS = ("2026-06-01", "2026-02-30", "2026-06", "2026-13")
ODD_WORDS = ("-1", "0", str(2**31), str(2**63), "1e9", "NaN", "=1+1", "' OR 1=1 --")

numbers_and_days = st.integers(-(2**70), 2**70).map(str) | st.dates().map(str)


def words(*more: str) -> st.SearchStrategy[str]:
    """Return a strategy that draws known words, odd words, dates and the words in `more`."""
    return st.sampled_from([*map(str, (*KNOWN_WORDS, *DATE_WORDS, *ODD_WORDS)), *map(str, more)])
