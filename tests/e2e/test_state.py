"""Sessions, variables and programs from the command line, with a real server. No pool is started."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.state import Programs, Session, Sessions
from tests.e2e.conftest import finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import COMMAND, ROOT, Pit

_numbers = count(1)
WRITES = 1000


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        yield one


@pytest.fixture
def session(pit: Pit) -> Iterator[str]:
    """A session of the test's own, named in its environment."""
    name = f"test {next(_numbers)}"
    before = dict(pit.env)
    pit.env["SNAKEPIT_SESSION"] = name
    yield name
    pit.env = before


def shell(pit: Pit, text: str) -> subprocess.CompletedProcess[str]:
    snakepit = f'snakepit() {{ "{COMMAND[0]}" {" ".join(COMMAND[1:])} "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", f"set -eu -o pipefail\n{snakepit}{text}"], cwd=pit.work, env=pit.env, capture_output=True,
        text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def out(pit: Pit, *words: str) -> str:
    return pit.run(*words).stdout


def failure(pit: Pit, *words: str) -> tuple[int, str]:
    """Exit code and the line that says what is wrong."""
    done = pit.run(*words, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()[0]


# --------------------------------------------------------------------------------------- each verb once


def test_the_life_of_a_session(pit: Pit) -> None:
    assert out(pit, "session", "create", "life", "--ttl", "2h", "--meta", "user=ada") == "life\n"
    again = pit.run("session", "create", "life", "--ttl", "1h")
    assert (again.stdout, again.stderr) == ("life\n", "session life exists already; it was left as it is\n")
    shown = pit.json("session", "show", "life")
    assert (shown["ttl"], shown["metadata"], shown["variables"]) == (7200.0, {"user": "ada"}, 0)
    changed = pit.json("session", "update", "life", "--ttl", "3h", "--meta", "n=1", "--drop-meta", "user")
    assert (changed["ttl"], changed["metadata"]) == (10800.0, {"n": "1"})
    assert pit.json("session", "touch", "life")["left"] == 10800.0
    assert [one["id"] for one in pit.json("session", "list", "li[f]e")] == ["life"]
    assert "life" in out(pit, "sessions")
    assert pit.json("session", "stats")["sessions"] >= 1
    assert pit.json("session", "gc")["expired"] >= 0
    assert pit.run("session", "exists", "life").returncode == 0
    assert pit.json("session", "rm", "life", "life") == [
        {"id": "life", "removed": True}, {"id": "life", "removed": False},
    ]  # fmt: skip
    gone = pit.run("session", "exists", "life", check=False)
    assert (gone.returncode, gone.stdout, gone.stderr) == (1, "", "")
    assert failure(pit, "session", "show", "life")[0] == 69


def test_the_life_of_a_variable(pit: Pit, session: str) -> None:
    made = pit.json("var", "register", "t", "float", "0.7", "--constraint", "min:=0", "--constraint", "max:=1.0")
    assert (made["version"], made["constraints"]) == (0, {"min": 0, "max": 1.0})
    assert out(pit, "var", "set", "t", "0.9", "--expect", "0") == ""
    assert pit.json("var", "set", "t", "1")["version"] == 2
    assert out(pit, "var", "get", "t") == "1.0\n"
    assert out(pit, "var", "rollback", "t", "1") == ""
    assert pit.json("var", "get", "t")["version"] == 3
    assert [one["value"] for one in pit.json("var", "history", "t")] == [0.7, 0.9, 1.0, 0.9]
    assert [one["value"] for one in pit.json("var", "history", "t", "--limit", "1")] == [0.9]
    out(pit, "var", "mset", "u=text", "n:=1", "--atomic")
    assert out(pit, "var", "mget", "n", "u") == '{"n": 1, "u": "text"}\n'
    assert pit.json("var", "depend", "n", "u")["on"] == ["u"]
    out(pit, "var", "set", "u", "other")
    assert [one["name"] for one in pit.json("var", "list") if one["stale"]] == ["n"]
    assert out(pit, "var", "list", "[tu]").splitlines()[1].split()[:4] == ["t", "float", "0.9", "3"]
    assert failure(pit, "var", "rm", "u")[0] == 65
    out(pit, "var", "depend", "n", "--none")
    assert pit.run("var", "rm", "u", "n").stderr == "u: removed\nn: removed\n"
    assert failure(pit, "var", "get", "u")[0] == 69


def test_the_life_of_a_program(pit: Pit, session: str) -> None:
    out(pit, "program", "put", "p", '{"of": "all", "n": 1.10}', "--global")
    assert out(pit, "program", "get", "p") == '{"of": "all", "n": 1.10}\n'
    out(pit, "program", "put", "p", '"ours"', "--create")
    assert out(pit, "program", "get", "p", "--raw") == "ours\n"
    assert failure(pit, "program", "put", "p", "1", "--create")[0] == 65
    assert [one["session"] for one in pit.json("program", "list")] == [session]
    assert [one["session"] for one in pit.json("program", "list", "--global")] == [None]
    out(pit, "program", "rm", "p")
    assert out(pit, "program", "get", "p", "--field", "of", "--raw") == "all\n"
    out(pit, "program", "rm", "p", "--global")
    assert failure(pit, "program", "get", "p")[0] == 69


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("0.1000", 0.1), ("-5", -5), ("true", True), ('{"a": null}', {"a": None}), ("[1, {}]", [1, {}]), ("1e3", 1000),
        ("", ""), ("007", "007"), ("a\n", "a\n"), ("ä€𝄞", "ä€𝄞"), ("9007199254740993", 9007199254740993),
    ],
)  # fmt: skip
def test_a_value_comes_back_as_it_was_given(pit: Pit, session: str, value: str, read: Any) -> None:
    out(pit, "var", "set", "x", value)
    assert json.loads(out(pit, "var", "get", "x")) == read


# ---------------------------------------------------------------------------------------------- errors


def test_what_is_wrong_with_a_value(pit: Pit, session: str) -> None:
    out(pit, "var", "register", "temperature", "float", "0.7", "--constraint", "max:=1.0")
    code, said = failure(pit, "var", "set", "temperature", "hot")
    assert (code, said.startswith('error: temperature: cannot convert "hot" to float')) == (65, True)
    assert failure(pit, "var", "set", "temperature", "1.5") == (
        65,
        "error: temperature: value 1.5 is above maximum 1.0",
    )
    assert failure(pit, "var", "register", "x", "float", "7", "--constraint", "max:=1.5") == (
        65, "error: x: value 7.0 is above maximum 1.5",
    )  # fmt: skip
    done = pit.run("var", "mset", "temperature:=3", "fine:=1", check=False)
    assert (done.returncode, done.stderr) == (3, "error: temperature: value 3.0 is above maximum 1.0\n")
    assert out(pit, "var", "mget", "temperature", "fine") == '{"temperature": 0.7, "fine": 1}\n'
    assert failure(pit, "var", "mset", "temperature:=3", "fine:=2", "--atomic") == (
        65, "error: nothing was written: temperature: value 3.0 is above maximum 1.0",
    )  # fmt: skip
    assert out(pit, "var", "get", "fine") == "1\n"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["set", "t", "1", "--expect", "7"], 75, "version_conflict"),
        (["set", "other", "1", "--no-create"], 69, "variable_not_found"),
        (["register", "t", "float", "1"], 65, "already_exists"),
        (["rollback", "t", "7"], 65, "invalid_value"),
        (["history", "other"], 69, "variable_not_found"),
        (["watch", "t*", "--from", "0"], 2, "usage"),
        (["get", "t", "--session", "never"], 69, "session_not_found"),
        (["list", "--session", "never"], 69, "session_not_found"),
        (["set", "t" * 256, "1"], 2, "usage"),
    ],
)
def test_kinds_of_errors(pit: Pit, session: str, words: list[str], code: int, kind: str) -> None:
    out(pit, "var", "set", "t", "1")
    done = pit.run("var", *words, "--json", check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["kind"], done.stderr) == (code, kind, "")


def test_no_server_is_started_when_none_may_be(cold: Pit) -> None:
    done = cold.run("var", "get", "t", "--session", "s", "--no-start", check=False)
    assert done.returncode == 69


# ----------------------------------------------------------------------------------------------- shells


def test_a_session_in_the_environment(pit: Pit) -> None:
    done = shell(
        pit,
        """
        export SNAKEPIT_SESSION=$(snakepit session create)
        snakepit var set greeting 'good morning'
        echo "$(snakepit var get greeting --raw)"
        snakepit session show --json | grep -q '"variables": 1'
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "good morning\n", "")


def test_export_and_import_are_inverse(pit: Pit, session: str) -> None:
    done = shell(
        pit,
        """
        snakepit var register t float 0.25 --constraint max:=1.0 --meta by=me
        snakepit var set list '[1, null, "a\\nb"]'
        snakepit var set text 'ä
        b'
        snakepit var depend text list
        snakepit var export | snakepit var import - --session copy
        snakepit var export --json | snakepit var import - --session second
        """,
    )
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (0, ["3 variables imported"] * 2), done.stderr
    kept = ("name", "type", "value", "constraints", "metadata", "depends", "ttl")

    def variables(name: str) -> list[dict[str, Any]]:
        return [{key: one[key] for key in kept} for one in pit.json("var", "export", "--session", name)]

    assert variables("copy") == variables("second") == variables(session)
    assert failure(pit, "var", "set", "t", "2", "--session", "copy")[1] == ("error: t: value 2.0 is above maximum 1.0")


def test_an_import_is_all_or_nothing(pit: Pit, session: str) -> None:
    lines = '{"name": "a", "type": "integer", "value": 1}\n{"name": "b", "type": "integer", "value": "x"}\n'
    done = pit.run("var", "import", "-", input=lines, check=False)
    assert (done.returncode, "b: " in done.stderr) == (65, True)
    assert failure(pit, "var", "get", "a")[0] == 69


# ------------------------------------------------------------------------------------------------ watch

WRITER = """
import sys
from snakepit_cli.client.api import Connection
from snakepit_cli.client.connect.find import connect
from snakepit_cli.client.state import Session

with Connection(connect("default")) as connection:
    session = Session(connection, sys.argv[1])
    for n in range(1, int(sys.argv[2])):
        session.set("t", n)
"""


def test_a_watch_loses_no_version_and_shows_none_twice(pit: Pit, session: str) -> None:
    """From the first version on, begun before, while and after another process writes."""
    out(pit, "var", "set", "t", "0")
    files = [pit.work / f"watch-{n}" for n in range(4)]

    def watching(number: int, *words: str) -> subprocess.Popen[str]:
        with files[number].open("w") as file:
            return pit.start("var", "watch", *words, "--field", "version", stdout=file)

    watches = [watching(0, "t", "--from", "0"), watching(1, "t*", "--after", "0")]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, session, str(WRITES)], env=pit.env, cwd=ROOT)
    watches.append(watching(2, "t", "--from", "0"))
    assert writer.wait(60) == 0
    watches.append(watching(3, "t", "--from", "0"))
    wait.until(lambda: all(len(file.read_text().splitlines()) >= WRITES for file in files), "all versions to be shown")
    out(pit, "session", "rm", session)
    for watch, file in zip(watches, files, strict=True):
        code, _, said = finish(watch)
        assert (code, said) == (0, "the session has ended\n")
        assert [int(line) for line in file.read_text().splitlines()] == list(range(WRITES))


def test_the_end_of_the_session_ends_the_watch(pit: Pit, session: str) -> None:
    out(pit, "var", "set", "t", "1")
    watch = pit.start("var", "watch", "--after", "0")
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["value"] == 1
    out(pit, "session", "rm", session)
    assert finish(watch) == (0, "", "the session has ended\n")


def test_ctrl_c_ends_the_watch(pit: Pit, session: str) -> None:
    out(pit, "var", "set", "t", "1")
    watch = foreground(pit, "var", "watch", "--after", "0")
    assert watch.stdout is not None
    watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    code, text, said = finish(watch)
    assert (code, text, said.strip()) == (130, "", "the watch ends")
    out(pit, "var", "set", "t", "2")


def test_a_watch_goes_on_after_the_last_line(pit: Pit, session: str) -> None:
    for n in range(5):
        out(pit, "var", "set", "t", str(n))
    done = shell(
        pit,
        """
        last=$(snakepit var watch --after 0 --field revision 2>/dev/null | sed -n '3{p;q}' || true)
        snakepit var watch --after $last --field value 2>/dev/null | head -2 || true
        """,
    )
    assert done.stdout == "3\n4\n"


# ------------------------------------------------------------------------------------- time and restarts


def test_a_session_ends_by_itself(pit: Pit) -> None:
    out(pit, "session", "create", "short", "--ttl", "1s")
    out(pit, "var", "set", "t", "1", "--session", "short")
    wait.until(lambda: pit.run("session", "exists", "short", check=False).returncode == 1, "the session to end")
    assert failure(pit, "var", "get", "t", "--session", "short")[0] == 69
    assert pit.json("session", "list", "short") == []
    assert out(pit, "session", "create", "short") == "short\n"
    assert pit.json("session", "show", "short")["variables"] == 0


def test_what_was_set_is_there_after_a_restart(cold: Pit) -> None:
    cold.run("var", "set", "t", "0.5", "--session", "s")
    cold.run("program", "put", "p", "[1]", "--global")
    cold.run("server", "restart")
    assert cold.run("var", "get", "t", "--session", "s").stdout == "0.5\n"
    cold.run("down")
    cold.run("down", "--all")
    assert cold.run("var", "get", "t", "--session", "s").stdout == "0.5\n"
    assert cold.run("program", "get", "p", "--global").stdout == "[1]\n"


def test_a_watch_goes_on_with_the_next_server(cold: Pit) -> None:
    cold.env["SNAKEPIT_SESSION"] = "s"
    for n in range(3):
        cold.run("var", "set", "t", str(n))
    watch = cold.start("var", "watch", "--after", "0", "--field", "value")
    assert watch.stdout is not None
    seen = [watch.stdout.readline() for _ in range(3)]
    procs.kill(cold.status()["server"]["pid"])
    code, rest, said = finish(watch)
    hint = said.splitlines()[-1]
    assert (code, rest, hint) == (71, "", "hint: go on with --after 3")
    cold.run("var", "set", "t", "3")
    again = shell(cold, f"snakepit var watch {hint.removeprefix('hint: go on with ')} --field value | head -1 || true")
    assert [*seen, again.stdout] == ["0\n", "1\n", "2\n", "3\n"]


def test_the_library_and_the_command_line_see_the_same(pit: Pit, session: str) -> None:
    out(pit, "var", "set", "t", "1")
    with pit.connection() as connection:
        ours = Session(connection, session)
        with ours.watch("t") as watch:
            ours.set("t", 2, expect=0)
            out(pit, "var", "set", "t", "3", "--expect", "1")
            assert [next(watch)["value"] for _ in range(2)] == [2, 3]
        assert ours.get("t")["version"] == 2
        with pytest.raises(PitError) as raised:
            ours.set("t", "many")
        assert raised.value.kind == "invalid_value"
        assert [one["id"] for one in Sessions(connection).list(session)] == [session]
        Programs(connection, session).put("p", {"a": [1]})
    assert out(pit, "program", "get", "p", "--field", "a[0]") == "1\n"
