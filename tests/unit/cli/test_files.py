"""Files that are named on a command line and cannot be used: named in the error, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake import Fake

INPUT, OUTPUT = 66, 74


def mapping_server(fake: Fake) -> None:
    fake.queries["commands"] = {"pool": "default", "commands": [{"name": "echo", "parameters": []}]}
    fake.queries["status"] = {"pools": [{"name": "default", "size": 1}]}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["exec", "echo", "a=@."], INPUT),
        (["exec", "echo", "a:=@."], INPUT),
        (["exec", "echo", "--args", "@."], INPUT),
        (["map", "echo", "--input", ".", "--output", "had"], INPUT),
        (["map", "echo", "a=@.", "--output", "had"], INPUT),
        (["map", "echo", "--input", "items", "--output", "."], OUTPUT),
        (["map", "echo", "--input", "items", "--output", "had", "--joblog", "."], OUTPUT),
        (["map", "echo", "--input", "items", "--output", "had", "--joblog", ".", "--resume"], OUTPUT),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else None,
)
def test_a_directory_is_no_file(
    fake: Fake, full: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    mapping_server(fake)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items").write_text("1\n")
    (tmp_path / "had").write_text("answers\n")
    done = full(*words)
    assert done.code == code
    assert ".: Is a directory" in done.err
    assert (tmp_path / "had").read_text() == "answers\n"
