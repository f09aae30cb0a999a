"""session, var and program: what is asked of the server, what is printed, the same on both paths."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli import fast
from snakepit_cli.base.errors import KINDS
from snakepit_cli.cli.verbs import var
from snakepit_cli.client.call.state_query import value_text
from snakepit_cli.wire import front, state
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_process import ROOT, SECONDS, finish, start
from tests.unit.cli.test_terminal import on_terminal
from tests.unit.client.fake import Fake, Peer, error

SESSION = {
    "id": "s1", "created": 1.0, "age": 61.0, "ttl": 3600.0, "left": 3539.0, "worker": "default-1", "calls": 1200,
    "variables": 2, "programs": 1, "tools": 0, "bytes": 4096, "revision": 7, "metadata": {"user": "ada"},
}  # fmt: skip


def variable(name: str = "t", value: Any = 0.9, **more: Any) -> dict[str, Any]:
    now = time.time()
    return {
        "id": f"v-{name}", "name": name, "type": "float", "value": value, "version": 3, "constraints": {},
        "metadata": {}, "depends": [], "stale": False, "created": now - 100, "updated": now - 61, "ttl": None, **more,
    }  # fmt: skip


def change(revision: int, value: Any) -> dict[str, Any]:
    return {
        "revision": revision, "name": "t", "event": "set", "version": revision, "type": "float", "value": value,
        "source": "client", "metadata": {}, "at": time.time(),
    }  # fmt: skip


PROGRAM = {"id": "p", "session": "s1", "bytes": 7, "created": 1.0, "updated": 1.0}


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch, places: Path) -> None:
    monkeypatch.setenv("SNAKEPIT_SESSION", "s1")


def refusing(kind: str, message: str) -> Any:
    return lambda peer, request, _: peer.send(front.ERROR, request, error(kind, message))


# ------------------------------------------------------------------------------ get, set, exists: both paths


def test_get_prints_the_value(fake: Fake, run: Run) -> None:
    fake.queries["var_get"] = lambda peer, request, _: peer.send(
        front.RESULT, request, b'{"name":"t","value":{"a":[1.10,"x\\u00e4"]},"version":3}'
    )
    assert run("var", "get", "t") == (0, '{"a":[1.10,"x\\u00e4"]}\n', "")
    assert run("var", "get", "t", "--field", "a[1]").out == '"x\\u00e4"\n'
    assert run("var", "get", "t", "--field=a[1]", "--raw").out == "xä\n"
    assert run("var", "get", "t", "--json").out == '{"name":"t","value":{"a":[1.10,"x\\u00e4"]},"version":3}\n'
    assert fake.asked == [{"op": "var_get", "session": "s1", "name": "t", "binary": True}] * 4
    done = run("var", "get", "t", "--field", "b")
    assert (done.code, done.err.splitlines()[0]) == (65, "error: --field b: no such key; there is a")


@pytest.mark.parametrize(
    ("word", "sent"),
    [
        ("0.9", "0.9"),
        ("1.10", "1.10"),
        ("1e400", "1e400"),
        ("-5", "-5"),
        ("-.5", '"-.5"'),
        ("12345678901234567890123", "12345678901234567890123"),
        (" 7 ", "7"),
        ("true", "true"),
        ("null", "null"),
        ("[1, 2]", "[1, 2]"),
        ('{"a": null}', '{"a": null}'),
        ("", '""'),
        ("hot", '"hot"'),
        ("True", '"True"'),
        ("NaN", '"NaN"'),
        ("-Infinity", '"-Infinity"'),
        ("007", '"007"'),
        ("12 monkeys", '"12 monkeys"'),
        ("2024-01-01", '"2024-01-01"'),
        ('"quoted"', '"\\"quoted\\""'),
        ("\\@home", '"@home"'),
        ("ä\n", '"\\u00e4\\n"'),
    ],
)
def test_what_a_word_means(word: str, sent: str) -> None:
    assert value_text(word, "t") == sent


def test_negative_numbers_are_no_options(fake: Fake, full: Run) -> None:
    fake.queries["var_set"] = {"name": "t", "version": 4}
    for words in (["-5"], ["-0.5", "--expect", "3"], ["--", "-x"]):
        assert full("var", "set", "t", *words) == (0, "", "")
    assert [one["value"] for one in fake.asked] == [-5, -0.5, "-x"]


@pytest.mark.parametrize("word", ["0.9", "hot", "[1]", "null", "\\@x"])
def test_both_paths_send_the_same(fake: Fake, run: Run, word: str) -> None:
    fake.queries["var_set"] = {"name": "t", "version": 4}
    assert run("var", "set", "t", word, "--expect", "3", "--no-create", "--meta", "by=me", "--session", "s2").out == ""
    [asked] = fake.asked
    value = asked.pop("value")
    assert value == {"0.9": 0.9, "hot": "hot", "[1]": [1], "null": None, "\\@x": "@x"}[word]
    assert asked == {
        "op": "var_set", "session": "s2", "name": "t", "expect": 3, "create": False, "metadata": {"by": "me"},
    }  # fmt: skip


def test_set_of_files_and_standard_input(fake: Fake, run: Run, tmp_path: Path) -> None:
    fake.queries["var_set"] = {"name": "t", "version": 4}
    (tmp_path / "list").write_text("\ufeff[1,\n2]\n")
    (tmp_path / "text").write_text("a line\n")
    run("var", "set", "t", f"@{tmp_path}/list")
    run("var", "set", "t", f"@{tmp_path}/text")
    run("var", "set", "t", "@-", stdin=b"0.5\n")
    run("var", "set", "t", "--string", "@-", stdin=b"0.5\n")
    run("var", "set", "t", "--string", "true")
    run("var", "set", "t", "--json-value", '"a"')
    assert [one["value"] for one in fake.asked] == [[1, 2], "a line\n", 0.5, "0.5\n", "true", "a"]


@pytest.mark.parametrize(
    ("words", "code", "said", "hint"),
    [
        (["{1}"], 65, "t: Expecting property name", "send it as text with --string"),
        (["[1", "--no-create"], 65, "t: ", "send it as text with --string"),
        (["hot", "--json-value"], 65, "t: not JSON at character 0", None),
        (["@/nowhere"], 66, "t: /nowhere: No such file or directory", None),
        (["1", "--string", "--json-value"], 2, "--string and --json-value exclude each other", None),
        (["1", "--expect", "old"], 2, "--expect must be a whole number, at least 0, not old", None),
        (["1", "--meta", "by"], 2, "--meta by: write it as KEY=VALUE", None),
        (["1", "2"], 2, "one word too many: 2", None),
        (["-5", "--odd"], 2, "one word too many: --odd", None),
        (["5", "--odd"], 2, "`snakepit var set` has no option --odd", None),
    ],
)
def test_set_that_is_refused(fake: Fake, full: Run, words: list[str], code: int, said: str, hint: str | None) -> None:
    done = full("var", "set", "t", *words)
    assert (done.code, done.out, fake.asked) == (code, "", [])
    assert done.err.startswith(f"error: {said}")
    assert hint is None or f"hint: {hint}\n" in done.err


def test_set_with_json_prints_the_version(fake: Fake, run: Run) -> None:
    fake.queries["var_set"] = {"name": "t", "version": 4}
    assert json.loads(run("var", "set", "t", "1", "--json").out) == {"name": "t", "version": 4}
    fake.queries["var_set"] = refusing("version_conflict", "t: version is 4, not 3")
    done = run("var", "set", "t", "1", "--expect", "3", "--json")
    assert (done.code, json.loads(done.out)["error"]["kind"], done.err) == (75, "version_conflict", "")


def test_exists_says_it_by_its_exit_code(fake: Fake, run: Run) -> None:
    fake.queries["session_show"] = SESSION
    assert run("session", "exists", "s9") == (0, "", "")
    assert fake.asked == [{"op": "session_show", "session": "s9"}]
    fake.queries["session_show"] = refusing("session_not_found", "there is no session s9")
    assert run("session", "exists", "s9") == (1, "", "")
    fake.queries["session_show"] = refusing("state_unavailable", "the disk is full")
    done = run("session", "exists", "s9")
    assert (done.code, done.err.splitlines()[0]) == (74, "error: the disk is full")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"output_closed"}))
def test_every_kind_of_error(fake: Fake, run: Run, kind: str) -> None:
    fake.queries["var_get"] = refusing(kind, "something specific")
    done = run("var", "get", "t")
    assert (done.code, done.out, done.err.splitlines()[0]) == (KINDS[kind].exit, "", "error: something specific")


@pytest.mark.parametrize(
    "words",
    [
        "var get t", "var set t 1", "var register t float 1", "var list", "var rm t", "var mget t", "var mset t=1",
        "var export", "var import -", "var watch", "var history t", "var rollback t 0", "var depend t u",
    ],
)  # fmt: skip
def test_a_session_must_be_named(fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.delenv("SNAKEPIT_SESSION")
    done = full(*words.split())
    assert (done.code, fake.asked) == (2, [])
    verb = " ".join(words.split()[:2])
    assert done.err == (
        f"error: no session: name it with --session ID, or set SNAKEPIT_SESSION\nhint: run `snakepit {verb} --help`\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        "var get t", "var get t --session s --field a.b --raw", "var get --json t -q", "var set t 1",
        "var set t=1 x --string --session=s --expect 1 --no-create --json --meta a=b", "session exists s1",
        "-L default var get t", "var set t -1", "var set t -.5 --expect=1",
    ],
)  # fmt: skip
def test_plain_forms_are_fast(fake: Fake, words: str) -> None:
    fake.queries |= {"var_get": variable(value={"a": {"b": 1}}), "var_set": {"version": 1}, "session_show": SESSION}
    assert fast.attempt(words.split()) == 0


@pytest.mark.parametrize(
    "words",
    [
        "var", "var list", "var get", "var get a b", "var set t", "var set t -x", "var get -1",
        "var get t --color never",
        "var get t --debug", "var get t --odd", "session", "session exists", "session show s1",
        "var set t 1 --expect x", "var get t --json --raw", "exec var", "exec session get",
    ],
)  # fmt: skip
def test_odd_forms_are_not(fake: Fake, words: str) -> None:
    assert fast._state(words.split()) is None
    assert fake.asked == []


@pytest.mark.parametrize("words", ["var get t", "var set t 1", "var set t hot", "session exists s1"])
def test_the_fast_path_loads_next_to_nothing(fake: Fake, words: str) -> None:
    fake.queries |= {"var_get": variable(), "var_set": {"version": 1}, "session_show": SESSION}
    code = (
        "import sys, os; before = set(sys.modules); from snakepit_cli import fast; "
        f"assert fast.attempt({words.split()}) == 0; print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    extra = {name for name in done.stdout.split() if not name.startswith(("snakepit_cli", "0.9"))}
    assert extra <= {"__future__", "_socket", "_json", "_signal"}, extra


def test_the_fast_path_starts_no_server(places: Path) -> None:
    assert fast.attempt(["var", "get", "t"]) is None


@pytest.mark.parametrize("path", [[], ["--color", "never"]], ids=["fast", "full"])
def test_a_terminal_gets_lines_and_no_control_characters(fake: Fake, path: list[str]) -> None:
    fake.queries |= {"var_get": variable(value={"a": "\x1b[2J"}), "var_watch": changes}
    plain = re.sub(rb"\x1b\[[\d;]*m", b"", on_terminal("var", "get", "t", *path))
    assert plain.splitlines() == [b"{", b'  "a": "\\u001b[2J"', b"}"]
    assert b"\x1b[2J" not in on_terminal("var", "get", "t", "--field", "a", "--raw", *path)
    assert on_terminal("var", "watch", *path).splitlines()[-1] == b"the session has ended"


# ---------------------------------------------------------------------------------------------- sessions


def test_create_prints_the_id_alone(fake: Fake, full: Run) -> None:
    fake.queries["session_create"] = {**SESSION, "new": True}
    assert full("session", "create") == (0, "s1\n", "")
    assert full("session", "create", "s1", "--ttl", "2h", "--meta", "user=ada", "--meta", "n=1").out == "s1\n"
    assert fake.asked == [
        {"op": "session_create"},
        {"op": "session_create", "session": "s1", "ttl": 7200.0, "metadata": {"user": "ada", "n": "1"}},
    ]
    fake.queries["session_create"] = {**SESSION, "new": False}
    assert full("session", "create", "s1") == (0, "s1\n", "session s1 exists already; it was left as it is\n")
    assert full("session", "create", "s1", "-q").err == ""
    assert json.loads(full("session", "create", "s1", "--json").out)["new"] is False
    assert full("session", "create", "--ttl", "soon").code == 2


@pytest.mark.parametrize("verb", [["sessions"], ["session", "list"]])
def test_list_of_sessions(fake: Fake, full: Run, verb: list[str]) -> None:
    def page(peer: Peer, request: int, query: dict[str, Any]) -> None:
        first = "after" not in query
        found = [{**SESSION, "id": "a" if first else "b", "worker": None}]
        peer.send(front.RESULT, request, {"sessions": found, "next": 1 if first else None})

    fake.queries["session_list"] = page
    assert full(*verb).out == (
        "SESSION  AGE       LEFT       WORKER  CALLS  VARIABLES  PROGRAMS  TOOLS  BYTES\n"
        "a        1 m 01 s  58 m 59 s          1,200  2          1         0      4,096\n"
        "b        1 m 01 s  58 m 59 s          1,200  2          1         0      4,096\n"
    )
    assert [one["id"] for one in json.loads(full(*verb, "job-*", "--json").out)] == ["a", "b"]
    assert fake.asked[-1]["pattern"] == "job-*"
    fake.asked.clear()
    assert len(json.loads(full(*verb, "--limit", "1", "--json").out)) == len(fake.asked) == 1
    assert full(*verb, "--limit", "0").code == 2
    fake.queries["session_list"] = {"sessions": [], "next": None}
    assert full(*verb) == (0, "", "no sessions (`snakepit session create` makes one)\n")
    assert full(*verb, "--json").out == "[]\n"


def test_show_touch_and_update(fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.queries |= dict.fromkeys(("session_show", "session_touch", "session_update"), SESSION)
    shown = full("session", "show").out
    assert shown.splitlines()[:4] == [
        "SESSION    s1",
        "age        1 m 01 s",
        "left       58 m 59 s",
        "ttl        1 h 00 m",
    ]
    assert "meta user  ada" in shown
    assert full("session", "touch", "s2") == (0, "", "session s2: 58 m 59 s left\n")
    assert full("session", "update", "--ttl", "1d", "--meta", "a=b", "--drop-meta", "c").out == shown
    assert fake.asked == [
        {"op": "session_show", "session": "s1"},
        {"op": "session_touch", "session": "s2"},
        {"op": "session_update", "session": "s1", "ttl": 86400.0, "metadata": {"a": "b", "c": None}},
    ]
    for verb in ("show", "touch"):
        assert json.loads(full("session", verb, "--json").out) == SESSION
    done = full("session", "update", "s1")
    assert (done.code, done.err.splitlines()[0]) == (
        2, "error: nothing to change: give --ttl, --meta or --drop-meta",
    )  # fmt: skip
    monkeypatch.delenv("SNAKEPIT_SESSION")
    done = full("session", "show")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: no session: name it, or set SNAKEPIT_SESSION")


def test_rm_of_sessions(fake: Fake, full: Run) -> None:
    fake.queries["session_rm"] = lambda peer, request, query: peer.send(
        front.RESULT, request, {"id": query["session"], "removed": query["session"] == "a"}
    )
    assert full("session", "rm", "a", "b") == (0, "", "session a: removed\nsession b: there was none\n")
    assert json.loads(full("session", "rm", "a", "--json").out) == [{"id": "a", "removed": True}]
    assert full("session", "rm").code == 2, "the one of the environment is not meant"


def test_stats_and_gc(fake: Fake, full: Run) -> None:
    fake.queries |= {"session_stats": {"sessions": 1234, "global_programs": 2, "file": "/x/y"}}
    assert full("session", "stats").out == (
        "WHAT             NOW\nsessions         1,234\nglobal programs  2\nfile             /x/y\n"
    )
    for count, said in ((0, "0 sessions had expired\n"), (1, "1 session had expired\n")):
        fake.queries["session_gc"] = {"expired": count}
        assert full("session", "gc") == (0, "", said)
    assert json.loads(full("session", "gc", "--json").out) == {"expired": 1}


# --------------------------------------------------------------------------------------------- variables


def test_the_types_are_those_of_the_server() -> None:
    assert var.TYPES == state.TYPES


def test_register(fake: Fake, full: Run, tmp_path: Path) -> None:
    fake.queries["var_register"] = variable()
    (tmp_path / "limits").write_text('{"min": 0}')
    words = ["--constraints", f"@{tmp_path}/limits", "--constraint", "max:=1.0", "--constraint", "pattern=a b"]
    assert full("var", "register", "t", "float", "-0.5", *words, "--ttl", "1m", "--replace", "--meta", "a=b").out == ""
    assert fake.asked == [
        {
            "op": "var_register", "session": "s1", "name": "t", "type": "float", "value": -0.5, "ttl": 60.0,
            "constraints": {"min": 0, "max": 1.0, "pattern": "a b"}, "metadata": {"a": "b"}, "replace": True,
        }
    ]  # fmt: skip
    assert json.loads(full("var", "register", "t", "float", "1", "--json").out)["name"] == "t"


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["string", "42"], "42"), (["choice", "true"], "true"), (["module", "null"], "null"),
        (["string", "{x}"], "{x}"), (["string", '"x"', "--json-value"], "x"), (["float", "42"], 42),
        (["map", '{"a":1}'], {"a": 1}), (["float", "42", "--string"], "42"),
    ],
)  # fmt: skip
def test_the_type_says_what_is_text(fake: Fake, full: Run, words: list[str], value: Any) -> None:
    fake.queries["var_register"] = variable()
    assert full("var", "register", "t", *words).code == 0
    assert fake.asked[0]["value"] == value


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["int", "1"], 2, "TYPE must be one of float, integer, string"),
        (["float", "1", "--constraint", "min"], 2, "--constraint min: write it as KEY:=JSON"),
        (["float", "1", "--constraints", "[]"], 65, "--constraints: must be a JSON object"),
        (["float", "1", "--constraint", "min:=low"], 65, "min: not JSON"),
        (["float"], 2, "missing argument VALUE"),
    ],
)
def test_register_that_is_refused(fake: Fake, full: Run, words: list[str], code: int, said: str) -> None:
    done = full("var", "register", "t", *words)
    assert (done.code, fake.asked) == (code, [])
    assert done.err.startswith(f"error: {said}")


def test_list_of_variables(fake: Fake, full: Run) -> None:
    fake.queries["var_list"] = [variable(), variable("long", "x" * 100, type="string")]
    lines = full("var", "list").out.splitlines()
    assert lines[0] == "VARIABLE  TYPE    VALUE" + " " * 57 + "VERSION  UNCHANGED FOR"
    assert lines[1] == "t         float   0.9" + " " * 59 + "3        1 m 01 s"
    assert f'"{"x" * 58}…  3' in lines[2]
    fake.queries["var_list"] = [variable(depends=["a", "b"], stale=True)]
    assert full("var", "list", "t*").out.splitlines()[1].endswith("a, b        stale")
    assert fake.asked[-1] == {"op": "var_list", "session": "s1", "pattern": "t*"}
    fake.queries["var_list"] = []
    assert full("var", "list") == (0, "", "no variables (`snakepit var set NAME VALUE` makes one)\n")
    assert full("var", "list", "--json").out == "[]\n"


def test_a_long_value_is_cut_at_once(fake: Fake, full: Run) -> None:
    fake.queries["var_list"] = [variable("long", ["é" * 4_000_000])]
    assert f'["{"é" * 57}…' in full("var", "list").out


def test_rm_history_rollback_depend(fake: Fake, full: Run) -> None:
    fake.queries |= {
        "var_rm": lambda peer, request, query: peer.send(front.RESULT, request, {**query, "removed": True}),
        "var_history": [change(0, 0.5), change(1, 0.9)], "var_rollback": {"name": "t", "version": 4},
        "var_depend": {"name": "t", "on": ["u"]},
    }  # fmt: skip
    assert full("var", "rm", "t", "u") == (0, "", "t: removed\nu: removed\n")
    assert full("var", "rm", "t", "--expect", "3").code == 0
    assert full("var", "rm", "t", "u", "--expect", "3").code == 2
    rows = [line.split() for line in full("var", "history", "t", "--limit", "2").out.splitlines()]
    assert rows[0] == ["VERSION", "EVENT", "VALUE", "SOURCE", "AGE", "REVISION"]
    assert [row[:4] for row in rows[1:]] == [["0", "set", "0.5", "client"], ["1", "set", "0.9", "client"]]
    assert full("var", "rollback", "t", "1", "--expect", "3").err == "t: version 4 has the value of version 1\n"
    assert full("var", "depend", "t", "u").err == "t: depends on u\n"
    fake.queries["var_depend"] = {"name": "t", "on": []}
    assert full("var", "depend", "t", "--none").err == "t: depends on none\n"
    asked = [{key: value for key, value in one.items() if key != "session"} for one in fake.asked]
    assert asked == [
        {"op": "var_rm", "name": "t"}, {"op": "var_rm", "name": "u"}, {"op": "var_rm", "name": "t", "expect": 3},
        {"op": "var_history", "name": "t", "limit": 2},
        {"op": "var_rollback", "name": "t", "version": 1, "expect": 3},
        {"op": "var_depend", "name": "t", "on": ["u"]}, {"op": "var_depend", "name": "t", "on": []},
    ]  # fmt: skip
    for words in (["depend", "t"], ["depend", "t", "u", "--none"], ["rollback", "t", "x"]):
        assert full("var", *words).code == 2


def test_mget(fake: Fake, full: Run) -> None:
    fake.queries["var_mget"] = {"found": {"t": variable(), "u": variable("u", None)}, "missing": []}
    assert full("var", "mget", "t", "u") == (0, '{"t": 0.9, "u": null}\n', "")
    fake.queries["var_mget"] = {"found": {}, "missing": ["x", "y"]}
    assert full("var", "mget", "x", "y") == (3, "{}\n", "there is no x, y\n")
    assert full("var", "mget", "x", "y", "--json") == (3, '{"found": {}, "missing": ["x", "y"]}\n', "")


def test_mset(fake: Fake, full: Run) -> None:
    fake.queries["var_mset"] = {"results": {"t": {"version": 1}, "u": {"version": 1}}}
    words = ["t:=1.10", "u=hot", "--atomic", "--no-create", "--expect", "a=b=3", "--meta", "by=me"]
    assert full("var", "mset", *words) == (0, "", "")
    assert fake.asked == [
        {
            "op": "var_mset", "session": "s1", "values": {"t": 1.1, "u": "hot"}, "atomic": True, "create": False,
            "expect": {"a=b": 3}, "metadata": {"by": "me"},
        }
    ]  # fmt: skip
    failed = {"results": {"t": {"version": 1}, "u": {"error": error("invalid_value", "u: must be a number")}}}
    fake.queries["var_mset"] = failed
    assert full("var", "mset", "t:=1", "u=hot") == (3, "", "error: u: must be a number\n")
    done = full("var", "mset", "t:=1", "u=hot", "--json")
    assert (done.code, json.loads(done.out), done.err) == (3, failed, "")
    for bad in (["t"], ["=1"], ["t=1", "--expect", "3"], ["t=1", "--expect", "t=x"]):
        assert full("var", "mset", *bad).code == 2


def test_export_is_what_import_takes(fake: Fake, full: Run, tmp_path: Path) -> None:
    given = [variable("a", "line\nbreak\u2028"), variable("b", [1.5, None])]
    fake.queries |= {"var_export": given, "var_import": {"imported": 2}}
    lines = full("var", "export", "*").out
    assert [json.loads(line) for line in lines.splitlines()] == given
    (tmp_path / "lines").write_text(lines)
    assert full("var", "import", f"{tmp_path}/lines", "--session", "s2") == (0, "", "2 variables imported\n")
    assert full("var", "import", "-", stdin=lines.encode().replace(b"\n", b"\r\n\r\n")).code == 0
    assert full("var", "import", "-", stdin=full("var", "export", "--json").out.encode()).code == 0
    imports = [one for one in fake.asked if one["op"] == "var_import"]
    assert [one["variables"] for one in imports] == [given] * 3
    assert [one["session"] for one in imports] == ["s2", "s1", "s1"]
    fake.queries["var_export"] = []
    assert full("var", "export") == (0, "", "")
    fake.queries["var_import"] = {"imported": 0}
    assert full("var", "import", "-", stdin=b"") == (0, "", "0 variables imported\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"name":"a"}\n\n{"name"\n', "line 3: "),
        (b'{"name":"a"}\n7\n', "line 2: must be an object, as `export` prints it"),
        (b"[1", "the input: "),
        (b"\xff", "the input: - is not UTF-8 text"),
    ],
)
def test_import_of_what_is_no_export(fake: Fake, full: Run, text: bytes, said: str) -> None:
    done = full("var", "import", "-", stdin=text)
    assert (done.code, fake.asked) == (65, [])
    assert done.err.startswith(f"error: {said}")


@pytest.mark.parametrize(("kind", "helps"), [("invalid_arguments", True), ("quota_exceeded", False)])
def test_fewer_variables_at_a_time_help_against_a_long_message_alone(
    fake: Fake, full: Run, kind: str, *, helps: bool
) -> None:
    refused = error(kind, "9 bytes; 8 are allowed")
    fake.queries["var_import"] = lambda peer, request, _: peer.send(front.ERROR, request, refused)
    assert ("fewer at a time" in full("var", "import", "-", stdin=b"").err) == helps


def test_import_of_a_file_that_is_not_there(fake: Fake, full: Run) -> None:
    assert full("var", "import", "/nowhere") == (
        66, "", "error: the input: /nowhere: No such file or directory\nhint: check the path\n",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- watch


def changes(peer: Peer, request: int, _: Any) -> None:
    peer.send(front.CHUNKS, request, b'{"revision":1,"value":"a"}\n')
    peer.send(front.CHUNKS, request, b'{"revision":2,"value":2}\n{"revision":3,"value":null}\n')
    peer.send(front.RESULT, request, {"reason": "the session has ended"})


def test_watch(fake: Fake, full: Run) -> None:
    fake.queries["var_watch"] = changes
    done = full("var", "watch", "t", "--from", "0")
    assert [json.loads(line)["revision"] for line in done.out.splitlines()] == [1, 2, 3]
    assert (done.code, done.err) == (0, "the session has ended\n")
    assert full("var", "watch", "--after", "7", "--field", "value", "--raw", "-q") == (0, "a\n2\nnull\n", "")
    assert fake.asked == [
        {"op": "var_watch", "session": "s1", "pattern": "t", "version": 0},
        {"op": "var_watch", "session": "s1", "pattern": "*", "after": 7},
    ]
    for bad in (["--from", "x"], ["--after", "-1"], ["--from", "1", "--after", "1"]):
        assert full("var", "watch", *bad).code == 2


def test_each_change_is_printed_when_it_comes_and_ctrl_c_ends_the_watch(fake: Fake) -> None:
    request: list[Any] = []

    def one(peer: Peer, number: int, _: Any) -> None:
        request.extend((peer, number))
        peer.send(front.CHUNKS, number, b'{"revision":1}\n')

    def cancelled(*_: Any) -> None:
        peer, number = request
        peer.send(front.ERROR, number, error("cancelled", "cancelled"))

    fake.queries["var_watch"] = one
    fake.answers["on_cancel"] = cancelled
    process = start("var", "watch")
    assert process.stdout is not None
    assert process.stdout.readline() == b'{"revision":1}\n'
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out, err.strip()) == (130, "", "the watch ends")
    assert fake.cancelled.is_set()


def test_a_watch_ends_when_its_reader_does(fake: Fake) -> None:
    fake.queries["var_watch"] = lambda peer, request, _: peer.send(front.CHUNKS, request, b'{"revision":1}\n')
    process = start("var", "watch")
    assert process.stdout is not None
    assert process.stdout.readline() == b'{"revision":1}\n'
    process.stdout.close()
    assert process.wait(SECONDS) == KINDS["output_closed"].exit
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""


def test_watch_of_a_server_that_is_lost(fake: Fake, full: Run) -> None:
    fake.queries["var_watch"] = lambda peer, *_: peer.sock.shutdown(2)
    assert full("var", "watch").code == KINDS["server_restarted"].exit

    def after_some(peer: Peer, request: int, _: Any) -> None:
        peer.send(front.CHUNKS, request, b'{"revision":1}\n{"revision":2}\n')
        peer.sock.shutdown(2)

    fake.queries["var_watch"] = after_some
    done = full("var", "watch")
    assert (done.code, done.out) == (KINDS["server_restarted"].exit, '{"revision":1}\n{"revision":2}\n')
    assert done.err.splitlines()[-1] == "hint: go on with --after 2"


# ---------------------------------------------------------------------------------------------- programs


def test_programs(fake: Fake, full: Run, tmp_path: Path) -> None:
    fake.queries |= {
        "program_put": PROGRAM, "program_get": {**PROGRAM, "data": {"steps": ["a"]}},
        "program_list": [PROGRAM, {**PROGRAM, "session": None}], "program_rm": {"id": "p", "removed": True},
    }  # fmt: skip
    (tmp_path / "p.json").write_text('{"steps": ["a"]}')
    assert full("program", "put", "p", f"@{tmp_path}/p.json") == (0, "", "")
    assert full("program", "put", "p", "-1", "--global", "--create").code == 0
    assert full("program", "get", "p") == (0, '{"steps": ["a"]}\n', "")
    assert full("program", "get", "p", "--global", "--field", "steps[0]", "--raw").out == "a\n"
    assert json.loads(full("program", "get", "p", "--json").out)["bytes"] == 7
    rows = [line.split() for line in full("program", "list").out.splitlines()]
    assert [row[:3] for row in rows[1:]] == [["p", "s1", "7"], ["p", "(global)", "7"]]
    assert full("program", "rm", "p", "--session", "s2").err == "program p: removed\n"
    assert fake.asked == [
        {"op": "program_put", "session": "s1", "id": "p", "data": {"steps": ["a"]}},
        {"op": "program_put", "global": True, "id": "p", "data": -1, "create": True},
        {"op": "program_get", "session": "s1", "id": "p"},
        {"op": "program_get", "global": True, "id": "p"},
        {"op": "program_get", "session": "s1", "id": "p"},
        {"op": "program_list", "session": "s1", "pattern": "*"},
        {"op": "program_rm", "session": "s2", "id": "p"},
    ]
    fake.queries["program_list"] = []
    assert full("program", "list") == (0, "", "no programs (`snakepit program put` stores one)\n")


def test_a_program_is_json_and_in_one_place(fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert full("program", "put", "p", "text").code == 65
    assert full("program", "get", "p", "--global", "--session", "s").code == 2
    monkeypatch.delenv("SNAKEPIT_SESSION")
    done = full("program", "get", "p")
    assert done.err.splitlines()[0] == (
        "error: no session: name it with --session ID, or set SNAKEPIT_SESSION; or use --global"
    )
    assert fake.asked == []
