"""What a spreadsheet cannot hold."""

from pathlib import Path

import pytest

from console.errors import CommandError
from console.reports.layouts import LOG
from console.reports.xlsx import ROWS_MAX, write_xlsx


def test_more_rows_than_a_spreadsheet_holds_are_refused_and_none_left_out(tmp_path: Path) -> None:
    file, record = tmp_path / "log.xlsx", dict.fromkeys(LOG.keys)

    with pytest.raises(CommandError, match="1,048,576 rows are more than the 1,048,575 that a spreadsheet holds"):
        write_xlsx([record] * (ROWS_MAX + 1), LOG, file)

    assert not file.exists()
