"""A spreadsheet has a limited number of rows."""

import io

import pytest

from console.errors import CommandError
from console.reports.payment_log import PAYMENT_LOG
from console.reports.xlsx import ROWS_MAX, write_xlsx

pytestmark = pytest.mark.slow


def test_spreadsheet_with_too_many_rows_is_refused() -> None:
    record = dict.fromkeys(PAYMENT_LOG.keys)

    with pytest.raises(CommandError, match="a spreadsheet holds 1,048,575 rows, and there are more"):
        write_xlsx((record for _ in range(ROWS_MAX + 1)), PAYMENT_LOG, io.BytesIO())
