"""`python -m docgen` writes the generated documents, and `--check` names the outdated ones."""

from pathlib import Path

import pytest

from docgen import __main__ as docgen


def test_generated_documents_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert docgen.main(["--check"]) == 0, capsys.readouterr().err


def test_check_names_a_stale_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert docgen.main([], tmp_path) == 0
    assert docgen.main(["--check"], tmp_path) == 0

    (tmp_path / "reference" / "settings.md").write_text("# Settings")

    assert docgen.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == "docs/reference/settings.md is out of date; run `make docs-reference`\n"


def test_unknown_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert docgen.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err
