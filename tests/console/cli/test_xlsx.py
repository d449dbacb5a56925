"""The row limit of a spreadsheet."""

from pathlib import Path

import pytest

from console.errors import CommandError
from console.reports.payment_log import PAYMENT_LOG
from console.reports.xlsx import ROWS_MAX, write_xlsx


def test_spreadsheet_with_too_many_rows_is_refused(tmp_path: Path) -> None:
    file, record = tmp_path / "log.xlsx", dict.fromkeys(PAYMENT_LOG.keys)

    with pytest.raises(CommandError, match="1,048,576 rows are more than the 1,048,575 that a spreadsheet holds"):
        write_xlsx([record] * (ROWS_MAX + 1), PAYMENT_LOG, file)

    assert not file.exists()
