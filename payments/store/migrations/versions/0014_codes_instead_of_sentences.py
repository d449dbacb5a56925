"""Store codes instead of sentences. Only the findings are rewritten, because they are few.

Old and new processes can work side by side. `findings.reason` keeps its sentence for old processes. When a process
writes `findings.reason` or `reason_code`, a trigger sets the other column. `history.what`, `allocations.rule`,
`lines.detail` and `findings.note` contain codes from now on. Earlier sentences in these columns are shown unchanged.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"

_SENTENCE_BY_REASON_CODE = {
    "closed_month": "Payment added/edited/deleted when month is closed",
    "zero_due": "Amount Due is 0.00",
    "patient_not_found": "Patient not found",
    "version_conflict": "Version conflict",
}
_HISTORY_CODE_BY_WORD = {
    "Received": "received",
    "Imported": "imported",
    "Updated": "updated",
    "Removed": "removed",
    "Removed, Not Sent": "removed_not_sent",
    "Held": "held",
    "Billing Exception": "exception",
    "Not Sent": "not_sent",
    "Validation Failed": "validation_failed",
    "Transmission Successful": "successful",
    "Not to be sent": "never_sent",
    "Failed": "failed",
    "Re-submitted": "resubmitted",
    "Exception opened": "exception_opened",
    "Exception recomputed": "exception_recomputed",
    "Exception closed by itself": "exception_closed",
    "Exception accepted": "exception_accepted",
    "Exception acknowledged": "exception_acknowledged",
}


def upgrade() -> None:
    op.add_column("history", sa.Column("params", JSONB(), nullable=True))
    for table in ("findings", "findings_was"):
        op.add_column(table, sa.Column("reason_code", sa.Text(), nullable=True))
    # For rows from before this migration: the code of what they hold as a sentence.
    _translate("history_code", _HISTORY_CODE_BY_WORD)
    _translate("finding_code", {sentence: code for code, sentence in _SENTENCE_BY_REASON_CODE.items()})
    _translate("finding_sentence", _SENTENCE_BY_REASON_CODE)
    op.execute("UPDATE findings SET reason_code = finding_code(reason)")
    op.execute(
        """
        CREATE FUNCTION keep_reason_and_code() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.reason_code IS NULL OR TG_OP = 'UPDATE' AND NEW.reason_code IS NOT DISTINCT FROM OLD.reason_code
                AND NEW.reason IS DISTINCT FROM OLD.reason
            THEN
                NEW.reason_code := finding_code(NEW.reason);
            ELSE
                NEW.reason := finding_sentence(NEW.reason_code);
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER findings_reason_and_code BEFORE INSERT OR UPDATE ON findings "
        "FOR EACH ROW EXECUTE FUNCTION keep_reason_and_code()"
    )


def _translate(function: str, words: dict[str, str]) -> None:
    """Create a function that translates these words, and returns any other word unchanged."""
    cases = " ".join(f"WHEN '{word}' THEN '{translation}'" for word, translation in words.items())
    op.execute(
        f"CREATE FUNCTION {function}(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE "
        f"AS $$ SELECT CASE word {cases} ELSE word END $$"
    )
