"""What the input and the output are taken for."""

from __future__ import annotations

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.tables import forms


@pytest.mark.parametrize(
    ("given", "path", "text", "form"),
    [
        (None, "-", False, "jsonl"), (None, "a.CSV", False, "csv"), (None, "a.tsv", False, "tsv"),
        (None, "a.csv.jsonl", False, "jsonl"), (None, "a.csv", True, "jsonl"), ("jsonl", "a.csv", False, "jsonl"),
        ("csv", "-", False, "csv"), ("jsonl", "-", True, "jsonl"),
    ],
)  # fmt: skip
def test_the_input(given: str | None, path: str, text: bool, form: str) -> None:
    assert forms.of_source(given, path, text=text) == form


def test_the_output() -> None:
    assert [forms.of_sink(None, path) for path in ("-", "a.csv", "a.tsv")] == ["jsonl", "csv", "tsv"]
    assert forms.of_sink("jsonl", "a.parquet") == "jsonl"


@pytest.mark.parametrize(("given", "path"), [("xml", "-"), ("", "-"), ("parquet", "-"), (None, "a.parquet")])
def test_an_output_that_there_is_not(given: str | None, path: str) -> None:
    with pytest.raises(PitError, match="jsonl, csv or tsv"):
        forms.of_sink(given, path)


@pytest.mark.parametrize(("given", "text"), [("xml", False), ("", False), ("csv", True)])
def test_an_input_that_there_is_not(given: str, text: bool) -> None:
    with pytest.raises(PitError, match=r"--from|--lines"):
        forms.of_source(given, "-", text=text)
