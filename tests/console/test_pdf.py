"""Pages to print as PDF files."""

import re
from decimal import Decimal

from console.reports.deposits import DEPOSIT_ENTRIES
from console.reports.output import Record
from console.reports.pdf import Paper, Section, write_pdf


def entry(number: int, patient: str = "P-1042") -> Record:
    return {
        **dict.fromkeys(DEPOSIT_ENTRIES.keys),
        "payment": f"north/p-{number}/1",
        "patient": patient,
        "reference": str(2000 + number),
        "amount": Decimal("1010.00"),
    }


def pdf_of(*entries: Record) -> bytes:
    sums = {"payment": "Total", "amount": Decimal("1234.00")}
    section = Section(DEPOSIT_ENTRIES, entries, sums)
    return write_pdf(Paper("Deposit 17", [("Bank account", "First Bank")], [section], ["Signature"], "Printed today."))


def shown(pdf: bytes) -> list[str]:
    """Return the text of each sheet."""
    sheets = re.findall(r"stream\r?\n(.*?)endstream", pdf.decode("latin-1"), re.DOTALL)
    return [" ".join(re.findall(r"\((.*?)(?<!\\)\) Tj", each)) for each in sheets]


def test_slip_of_any_length_has_all_entries_the_total_and_a_line_to_sign() -> None:
    sheets = shown(pdf_of(*(entry(number) for number in range(120))))

    text = " ".join(sheets)
    assert len(sheets) > 2
    assert all(str(2000 + number) in text for number in range(120))
    assert text.count("1,010.00") == 120
    assert "1,234.00" in sheets[-1]
    assert "Signature ____" in sheets[-1]
    assert "Printed today. Page 2" in sheets[1]
    assert all("Check number" in re.sub(r"\s+", " ", each) for each in sheets[:-1])


def test_markup_and_foreign_characters_in_ids_are_shown_as_text() -> None:
    (sheet,) = shown(pdf_of(entry(1, 'a <b>"&" Müller 王')))

    assert r'a<b>"&"M\374ller?' in re.sub(r"\s+", "", sheet)


def test_same_page_gives_the_same_file() -> None:
    assert pdf_of(entry(1)) == pdf_of(entry(1))
