"""A Payment Log that a user uploaded. It is the EMR's side of a balance."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from console.web.context import RequestContext
from console.web.errors import PageError
from emr.payment_log import PaymentLogError, read_payment_log
from payments.access import uploaded_logs
from payments.access.uploaded_logs import UploadedLog
from payments.contract.payment_log import EmrLogRow
from payments.store.db.connection import Transaction


def load_log(tx: Transaction, context: RequestContext, log_id: int) -> UploadedLog:
    """Return a file that the user uploaded. Raises PageError (404) if the file does not exist or has expired."""
    found = uploaded_logs.load(tx, context.user.name, log_id, context.now)
    if found is None:
        raise PageError(404, "The uploaded file is no longer kept.", "Upload it again on the page Payment Balancing.")
    return found


@contextmanager
def reading_log(log: UploadedLog | None) -> Iterator[Iterator[EmrLogRow] | None]:
    """Yield an iterator over the rows of an uploaded file. If `log` is None, yield None.

    Raises PageError (422) for a row that cannot be read.
    """
    if log is None:
        yield None
        return
    try:
        yield read_payment_log(io.BytesIO(log.body))
    except PaymentLogError as error:
        raise PageError(422, f"{log.file_name}: {error}.", "Correct the file and upload it again.") from None
