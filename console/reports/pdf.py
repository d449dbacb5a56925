"""Write a page to print as a PDF: facts, tables of records with their sums, and lines to sign."""

# ruff: noqa: PLC0415 (a page imports what is heavy when it runs, so that the console starts quickly)

import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

PDF_TYPE = "application/pdf"
_RIGHT_ALIGNED = {ColumnKind.MONEY, ColumnKind.COUNT}
_WIDE_KEYS = {"payment", "reason", "bank_account"}
"""The columns that are twice as wide as others."""


class Section(NamedTuple):
    """A table: the records of a report with the columns of its page, and the cells of a last row with sums."""

    report: Report
    records: Sequence[Record]
    sums: Record | None = None


@dataclass(frozen=True)
class Paper:
    """A page to print. `facts` are labels and texts, `signatures` the labels of the lines to sign.

    `footer` is on each page, before the number of the page.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    signatures: Sequence[str]
    footer: str


def write_pdf(paper: Paper) -> bytes:
    """Return a page as a PDF of any number of sheets. The headings of a table are repeated on each of them.

    The text of the file is not compressed, and the same page gives the same file. The built-in fonts have the Latin-1
    characters. Each other character becomes a question mark.
    """
    from reportlab.lib.pagesizes import LETTER
    from reportlab.platypus import SimpleDocTemplate, Spacer

    styles = _styles()
    story: list[Any] = [_paragraph(paper.title, styles["Title"])]
    story += [_paragraph(f"{label}: {text}", styles["Normal"]) for label, text in paper.facts]
    for section in paper.sections:
        story += [Spacer(0, 10), _paragraph(section.report.title, styles["Heading2"]), _table(section, styles)]
    story += [Spacer(0, 30)]
    story += [_paragraph(f"{label} ______________________________", styles["Normal"]) for label in paper.signatures]
    target = io.BytesIO()

    def draw_footer(canvas: Any, _: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(40, 24, _printable(f"{paper.footer} Page {canvas.getPageNumber()}"))

    document = SimpleDocTemplate(
        target,
        pagesize=LETTER,
        leftMargin=40,
        rightMargin=40,
        topMargin=40,
        bottomMargin=48,
        invariant=1,
        pageCompression=0,
    )
    document.title, document.author = _printable(paper.title), ""
    document.build(story, onFirstPage=draw_footer, onLaterPages=draw_footer)
    return target.getvalue()


def _styles() -> Any:
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet

    styles = getSampleStyleSheet()
    styles["Title"].alignment, styles["Title"].fontSize = TA_LEFT, 16
    styles.add(ParagraphStyle("Cell", styles["Normal"], fontSize=8, leading=10))
    styles.add(ParagraphStyle("Number", styles["Cell"], alignment=TA_RIGHT))
    styles["Normal"].leading = 16
    return styles


def _table(section: Section, styles: Any) -> Any:
    from reportlab.lib import colors
    from reportlab.platypus import LongTable, TableStyle

    columns = section.report.page_columns
    rows = [[_cell(column, f"<b>{_markup(column.heading)}</b>", styles) for column in columns]]
    rows += [
        [_cell(each, _markup(_text(each.terminal_value(record))), styles) for each in columns]
        for record in section.records
    ]
    if section.sums is not None:
        sums = section.sums
        rows.append([_cell(each, f"<b>{_markup(_text(sums.get(each.key)))}</b>", styles) for each in columns])
    shares = [2 if column.key in _WIDE_KEYS else 1 for column in columns]
    widths = [532 * share / sum(shares) for share in shares]
    table = LongTable(rows, colWidths=widths, repeatRows=1)
    table.setStyle(
        TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")])
    )
    return table


def _cell(column: Column, markup: str, styles: Any) -> Any:
    from reportlab.platypus import Paragraph

    return Paragraph(markup, styles["Number" if column.kind in _RIGHT_ALIGNED else "Cell"])


def _paragraph(text: str, style: Any) -> Any:
    from reportlab.platypus import Paragraph

    return Paragraph(_markup(text), style)


def _text(value: object) -> str:
    return "" if value is None else f"{value:,.2f}" if isinstance(value, Decimal) else str(value)


def _markup(text: str) -> str:
    return escape(_printable(text))


def _printable(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
