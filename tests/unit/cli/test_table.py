"""Tables on terminals of any width, and text that is harmless to show."""

from __future__ import annotations

import pytest

from snakepit_cli.cli.output import status_view, table, terminal
from snakepit_cli.cli.output.pretty import pretty
from snakepit_cli.client.call.request import Shared

PLAIN = Shared()
PLAIN.set("--color", "never")
POOL = {
    "name": "a-pool-with-long-name", "state": "open", "ready": 12, "size": 12, "spare": 0, "starting": 0, "busy": 12,
    "queued": 1000, "requests": 1234567, "errors": 12, "restarts": 3, "breaker": "closed",
    "adapter": "/home/somebody/projects/2026/thesis/models/slow.py",
}  # fmt: skip
STATUS = {
    "instance": "ci", "version": "0.1.0", "uptime": 5.0, "server": {"pid": 12, "restarts": 0}, "warden": {"pid": 11},
    "idle_exit": None, "pools": [POOL, {**POOL, "name": "b", "state": "open", "ready": 0, "starting": 2}],
}  # fmt: skip


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> object:
    def of_width(columns: int) -> None:
        monkeypatch.setattr("os.isatty", lambda _: True)
        monkeypatch.setattr(table, "columns", lambda _: columns)

    return of_width


WIDTHS = (40, 52, 60, 72, 80, 100, 120)


@pytest.mark.parametrize("columns", WIDTHS)
def test_names_are_whole_and_lines_fit(columns: int, on_terminal, capfd: pytest.CaptureFixture[str]) -> None:
    on_terminal(columns)
    status_view.draw(STATUS, PLAIN)
    shown = capfd.readouterr().out.splitlines()[3:]
    assert "a-pool-with-long-name" in shown[1]
    assert all(len(line) <= columns for line in shown), shown
    assert "…" not in shown[1].split()[0]


def test_a_pool_that_starts_says_so(on_terminal, capfd: pytest.CaptureFixture[str]) -> None:
    on_terminal(120)
    status_view.draw(STATUS, PLAIN)
    assert "starting" in capfd.readouterr().out


def test_a_path_is_shortened_from_the_left(on_terminal, capfd: pytest.CaptureFixture[str]) -> None:
    on_terminal(110)
    status_view.draw(STATUS, PLAIN)
    shown = capfd.readouterr().out
    assert "…/" in shown
    assert "/slow.py" in shown


@pytest.mark.parametrize("columns", WIDTHS)
def test_numbers_that_identify_a_row_are_whole(columns: int, on_terminal, capfd: pytest.CaptureFixture[str]) -> None:
    on_terminal(columns)
    rows = [("1234567890", "a_command_with_a_long_name", "prose that says what it does, at some length, and more")]
    table.show(("CALL", "COMMAND", "WHAT"), rows, PLAIN, least=("WHAT",), prose="WHAT")
    shown = capfd.readouterr().out.splitlines()
    assert shown[1].startswith("1234567890")
    assert "a_command_with_a_long_name" in shown[1]
    assert all(len(line) <= columns for line in shown), shown


def test_prose_is_wrapped_and_complete(on_terminal, capfd: pytest.CaptureFixture[str]) -> None:
    on_terminal(60)
    words = [f"word{n}" for n in range(30)]
    table.show(("NAME", "WHAT"), [("x", " ".join(words))], PLAIN, prose="WHAT")
    assert capfd.readouterr().out.split()[2:] == ["x", *words]


def test_without_a_terminal_all_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    status_view.draw(STATUS, PLAIN)
    assert POOL["adapter"] in capfd.readouterr().out


def test_wide_characters_are_aligned(on_terminal, capfd: pytest.CaptureFixture[str]) -> None:
    on_terminal(80)
    table.show(("NAME", "N"), [("日本", "1"), ("abcd", "2")], PLAIN)
    first, second = capfd.readouterr().out.splitlines()[1:]
    assert terminal.width(first) == terminal.width(second)


COMMANDS = ["\x1b[31m", "\x1b]0;title\x07", "\x9b31m", "\x7f", "\u202e", "\u2066", "\r", "\x00", "\x08"]


@pytest.mark.parametrize("text", COMMANDS, ids=ascii)
def test_nothing_shown_is_a_command_to_the_terminal(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    table.show(("A",), [(f"x{text}y",)], PLAIN)
    table.text(f"x{text}y")
    shown = capfd.readouterr().out + terminal.clean(text) + terminal.clean_line(text) + terminal.escape_json(text)
    shown += pretty(b'{"a": "' + text.encode() + b'"}', "never").decode()
    assert not [one for one in shown if one != "\n" and not one.isprintable() and one != "\ufffd"]


def test_what_is_not_json_is_coloured_in_linear_time() -> None:
    """A quote that is never closed, over and over: a pattern that goes back would take hours for it."""
    text = b'"\\' * 500_000
    assert pretty(text, "never").strip() == text
