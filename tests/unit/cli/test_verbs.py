"""Every verb: its help, what it asks of the server, what it prints."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli import __version__, fast
from snakepit_cli.cli import app
from snakepit_cli.cli.completion.words import entries
from snakepit_cli.cli.output.color import enabled
from snakepit_cli.wire import front
from tests.tools.regen import completions
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_process import finish, start
from tests.unit.client.fake import Fake, Peer, error

POOL = {
    "name": "default", "adapter": "showcase", "language": "python", "state": "open", "size": 4, "ready": 4, "busy": 0,
    "starting": 0, "queued": 0, "running": 0, "requests": 7, "errors": 1, "queue_timeouts": 0, "pool_saturated": 0,
    "restarts": 0, "start": "template", "note": None, "reason": None, "spare": 0,
}  # fmt: skip
STATUS = {
    "instance": "default", "version": __version__, "uptime": 12.0, "warden": {"pid": 1, "uptime": 12.0},
    "server": {"pid": 2, "uptime": 12.0, "restarts": 0}, "containment": ["lifeline"], "idle_exit": 60.0,
    "connections": 1, "pools": [POOL],
}  # fmt: skip
VERBS = [entry.path for entry in entries(app.command())]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_begins_with_what_it_is(full: Run, verb: str) -> None:
    done = full(*verb.split(), "--help")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0][:1].isupper()
    examples = lines[lines.index("Examples:") + 1 :]
    assert f"snakepit {verb}".strip() in examples[0] + examples[1] or verb == "server"
    assert "Usage: snakepit" in done.out
    assert "--instance" in done.out


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_the_same_on_the_fast_path(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert app.run([*verb.split(), "--help"]) == 0
    slow = capfd.readouterr().out
    for argv in ([*verb.split(), "--help"], ["help", *verb.split()]):
        assert fast.attempt(argv) == 0
        assert capfd.readouterr().out == slow


def test_help_of_what_is_no_verb_is_left_to_the_full_path() -> None:
    for argv in (["exec", "ping", "--help"], ["nothing", "--help"], ["-L", "x", "exec", "--help"], ["help", "x"]):
        assert fast.attempt(argv) is None


def test_alone_it_says_what_it_is(full: Run) -> None:
    done = full()
    assert done.code == 0
    assert 10 <= len(done.out.splitlines()) <= 18
    for verb in VERBS:
        assert verb.split()[0] in done.out


def test_version(full: Run) -> None:
    assert full("--version").out == f"snakepit {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["exce"], "exec"),
        (["exec"], "COMMAND"),
        (["exec", "ping", "--bogus"], "--bogus"),
        (["exec", "ping", "--timeout", "soon"], "soon"),
        (["exec", "ping", "--pool", "no such"], "no such"),
        (["exec", "ping", "--json", "--raw"], "--raw"),
        (["status", "-L", "../x"], "../x"),
        (["status", "--color", "pink"], "pink"),
        (["status", "--instance"], "--instance"),
        (["up", "--size", "0"], "--size"),
        (["up", "--size", "many"], "--size"),
        (["down", "gpu", "--all"], "--all"),
        (["stream", "x", "--progress=odd"], "odd"),
        (["completion", "csh"], "csh"),
        (["server"], "verb"),
    ],
)
def test_usage_errors(places: Path, full: Run, argv: list[str], words: str) -> None:
    done = full(*argv)
    assert done.code == 2
    if "--json" in argv:
        assert words in json.loads(done.out)["error"]["message"]
    else:
        assert words in done.err
        assert "hint:" in done.err


def test_unexpected_exceptions_are_sentences(fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: Any) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("snakepit_cli.client.api.status", boom)
    done = full("status")
    assert done.code == 70
    assert "Traceback" not in done.err
    assert "--debug" in done.err
    assert "Traceback" in full("status", "--debug").err


def test_status(fake: Fake, full: Run) -> None:
    fake.queries["status"] = STATUS
    assert json.loads(full("status", "--json").out) == STATUS
    done = full("status")
    assert (done.code, done.err) == (0, "")
    assert "default  open" in done.out
    assert "4/4" in done.out


def test_status_of_nothing(places: Path, full: Run) -> None:
    assert full("status").code == 3
    done = full("status", "--json")
    assert done.code == 3
    assert json.loads(done.out)["error"]["kind"] == "not_running"


def test_workers(fake: Fake, full: Run) -> None:
    row = {
        "id": "default-1", "pool": "default", "pid": 9, "state": "idle", "running": 0, "requests": 3, "calls": [],
        "memory": 5 << 20, "uptime": 61.0,
    }  # fmt: skip
    fake.queries["workers"] = [row, {**row, "id": "default-2", "pid": None, "memory": None}]
    out = full("workers", "--pool", "default").out
    assert fake.asked[-1] == {"op": "workers", "pool": "default"}
    assert "5.0 MB" in out
    assert "1 m 01 s" in out
    assert len(json.loads(full("workers", "--json").out)) == 2


def test_what_is_on_record(fake: Fake, full: Run) -> None:
    sessions = [{"id": name, "tools": tools} for name, tools in (("a", 2), ("b", 0), ("c", 1))]
    fake.queries |= {
        "status": STATUS,
        "workers": [{"state": "idle", "pid": 9}, {"state": "busy", "pid": 10}, {"state": "starting", "pid": None}],
        "session_list": {"sessions": sessions, "next": None},
        "session_stats": {"sessions": 1234, "bytes": 5},
        "reap": [{"pid": 7}],
    }
    told = json.loads(full("debug", "registry", "--json").out)
    assert {"op": "reap", "dry_run": True} in fake.asked
    processes = told["processes"]
    assert (processes["workers"], processes["worker_pids"], processes["orphans"]) == (3, [9, 10], 1)
    assert processes["worker_states"] == {"idle": 1, "busy": 1, "starting": 1}
    assert processes["pools"]["default"] == {"workers": 4, "start": STATUS["pools"][0]["start"]}
    assert (told["sessions"]["sessions"], told["tools"]) == (1234, {"offered": 3, "by_session": {"a": 2, "c": 1}})
    rows = dict(re.split("  +", line, maxsplit=1) for line in full("debug", "registry").out.splitlines())
    assert rows["processes: worker states: busy"] == "1"
    assert rows["processes: worker pids"] == "9, 10"
    assert rows["sessions: sessions"] == "1,234"
    assert rows["tools: by session: c"] == "1"


def test_nothing_is_on_record_without_a_server(places: Path, full: Run) -> None:
    assert full("debug", "registry").code == 3


def test_commands(fake: Fake, full: Run) -> None:
    parameter = {"name": "a", "type": "float", "required": True, "default": None, "summary": ""}
    command = {"name": "add", "summary": "Adds.", "streaming": False, "open": False, "parameters": [parameter]}
    fake.queries["commands"] = {"pool": "default", "adapter": "showcase", "commands": [command]}
    assert "a:=float" in full("commands").out
    assert json.loads(full("commands", "--json").out)["commands"] == [command]


def test_up_says_what_it_did_and_what_is_next(fake: Fake, full: Run) -> None:
    fake.queries["up"] = {**POOL, "changed": True}
    done = full("up", "--size", "4", "--adapter", "m.py:C", "--timeout", "2m")
    assert done.out == ""
    first, second = done.err.splitlines()
    assert first.startswith("pool default: 4 workers ready in ")
    assert second == "next: snakepit exec ping"
    asked = fake.asked[-1]
    assert {k: asked[k] for k in ("pool", "size", "adapter", "timeout", "wait", "cwd")} == {
        "pool": "default", "size": 4, "adapter": "m.py:C", "timeout": 120.0, "wait": True, "cwd": os.getcwd(),
    }  # fmt: skip
    assert "PATH" in asked["env"]
    assert full("up", "-q") == (0, "", "")
    assert json.loads(full("up", "--json").out)["changed"] is True


def test_up_hides_secrets(fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    fake.queries["up"] = {**POOL, "changed": True}
    full("up")
    assert "GITHUB_TOKEN" not in fake.asked[-1]["env"]


def test_a_pool_that_fails(fake: Fake, full: Run) -> None:
    def fail(peer: Peer, request: int, _: Any) -> None:
        peer.send(front.ERROR, request, error("adapter_failed", "no module named x", traceback="…", language="python"))

    fake.queries["up"] = fail
    done = full("up")
    assert done.code == 126
    assert "no module named x" in done.err


def test_down_of_a_pool(fake: Fake, full: Run) -> None:
    fake.queries["down"] = {"pool": "gpu", "workers": 2}
    done = full("down", "gpu", "--timeout", "1")
    assert (done.code, done.out) == (0, "")
    assert "2 workers" in done.err
    assert fake.asked[-1] == {"op": "down", "pool": "gpu", "timeout": 1.0}


def test_down_of_nothing(places: Path, full: Run) -> None:
    assert full("down") == (0, "", "nothing is running\n")
    assert full("down", "--all") == (0, "", "nothing is running\n")
    assert full("down", "gpu") == (0, "", "nothing is running\n")


def test_reap_by_the_server(fake: Fake, full: Run) -> None:
    orphan = {"id": "w1", "role": "worker", "pid": 5, "title": "x", "evidence": ["registry"], "ended": True}
    fake.queries["reap"] = [orphan]
    done = full("reap", "--json")
    assert json.loads(done.out) == {"orphans": [orphan], "dry_run": False}
    fake.queries["reap"] = [{**orphan, "ended": False}]
    assert full("reap").code == 1
    assert full("reap", "--dry-run").code == 0
    fake.queries["reap"] = []
    assert full("reap") == (0, "", "nothing to reap\n")


# ------------------------------------------------------------------------------------------------- logs


@pytest.fixture
def logs(places: Path) -> Path:
    folder = places / "state" / "default" / "logs"
    folder.mkdir(parents=True)
    (folder / "server.log").write_text("".join(f"s{n}\n" for n in range(5)))
    (folder / "default-1.log.1").write_text("old 1\nold 2\n")
    (folder / "default-1.log").write_text("new 1\n")
    return folder


def test_logs_need_no_server(logs: Path, full: Run) -> None:
    assert full("logs", "server", "-n", "2").out == "s3\ns4\n"
    assert full("logs", "default-1", "-n", "2").out == "old 2\nnew 1\n"
    assert full("logs", "-n", "1").out == "server s4\ndefault-1 new 1\n"
    assert full("logs", "-n", "0").out == ""
    assert full("logs", "nobody").code == 66
    assert full("logs", "-n", "-1").code == 2


def test_logs_of_a_pool(logs: Path, fake: Fake, full: Run) -> None:
    (logs / "default-10.log").write_text("ten\n")
    (logs / "other-1.log").write_text("other\n")
    fake.queries["workers"] = [{"id": "default-10"}, {"id": "silent-1"}]
    assert full("logs", "default", "-n", "1").out == "default-10 ten\ndefault-1 new 1\n", "the dead last"
    assert full("logs", "-n", "1").out.splitlines() == [
        "server s4", "default-10 ten", "default-1 new 1", "other-1 other"
    ]  # fmt: skip
    assert full("logs", "silent-1") == (0, "", ""), "a worker that runs has a log, if an empty one"
    assert full("logs", "silent") == (0, "", "")
    assert full("logs", "nobody").code == 66


def test_logs_since(logs: Path, full: Run) -> None:
    now = time.time()
    lines = []
    for age, text in ((7200, "long ago"), (100, "lately"), (1, "now")):
        lines.append(time.strftime(f"%Y-%m-%dT%H:%M:%SZ {text}", time.gmtime(now - age)))
    (logs / "words-1.log").write_text(f"old\n{lines[0]}\n more\n{lines[1]}\n more\n{lines[2]}\n")
    assert full("logs", "words-1", "--since", "10m").out == f"{lines[1]}\n more\n{lines[2]}\n"
    assert full("logs", "words-1", "--since", "60").out == f"{lines[2]}\n"
    assert (
        full("logs", "words-1", "--since", "1d").out
        == "\n".join([lines[0], " more", *lines[1:2], " more", lines[2]]) + "\n"
    )
    assert full("logs", "words-1", "--since", "soon").code == 2


def test_logs_of_nothing(places: Path, full: Run) -> None:
    assert full("logs") == (0, "", "")


def test_following_survives_rotation(logs: Path) -> None:
    path = logs / "server.log"
    process = start("logs", "-f", "server", "-n", "1")
    assert process.stdout is not None
    assert process.stdout.readline() == b"s4\n"
    with path.open("a") as file:
        file.write("half")
        file.flush()
        file.write(" a line\n")
    assert process.stdout.readline() == b"half a line\n"
    with path.open("a") as file:
        file.write("last of the first\n")
    path.rename(logs / "server.log.1")
    path.write_text("second file\n")
    assert process.stdout.readline() == b"last of the first\n"
    assert process.stdout.readline() == b"second file\n"
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert (code, err) == (130, "")


# ------------------------------------------------------------------------------------------- completion


def test_completion_scripts_are_current() -> None:
    root = Path(__file__).resolve().parents[3]
    for name, text in completions():
        assert (root / name).read_text() == text, "run: python -m tests.tools.regen"


# ----------------------------------------------------------------------------------------------- colour


@pytest.mark.parametrize(
    ("choice", "env", "expected"),
    [
        ("auto", {}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, True),
        ("auto", {"FORCE_COLOR": "0"}, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
        ("auto", {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_when_to_colour(
    places: Path, monkeypatch: pytest.MonkeyPatch, choice: str, env: dict[str, str], expected: bool
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with open(os.devnull, "wb") as sink:
        assert enabled(sink.fileno(), choice) is expected


def test_forced_colour_reaches_errors(fake: Fake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = run("exec", "fail", "kind=worker_busy")
    assert done.err.startswith("\x1b[31merror:\x1b[0m it went wrong\n")
    assert "\x1b[2mhint:" in done.err


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "words", ["up", "down default", "scale default 4", "pause", "resume", "restart", "drain", "streams"]
)
def test_a_closed_stream_that_is_not_needed_is_no_error(
    fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch, words: str, closed: str
) -> None:
    told = {**POOL, "changed": False, "workers": 4, "replaced": ["default-1"]}
    fake.queries |= dict.fromkeys(("up", "down", "scale", "admit", "drain", "replace"), told)
    fake.queries |= {"status": STATUS, "workers": [], "streams": []}
    monkeypatch.setattr(f"sys.{closed}", None)
    assert full(*words.split()).code == 0


@pytest.mark.parametrize(
    ("counts", "said", "shown"),
    [
        ({"size": 3, "ready": 3}, "3 workers ready", "3/3"),
        ({"size": 1, "ready": 1}, "1 worker ready", "1/1"),
        ({"size": 3, "ready": 2}, "2 of 3 workers ready", "2/3"),
        ({"size": 3, "ready": 4, "spare": 1}, "3 workers ready and 1 spare", "3/3+1"),
        ({"size": 3, "ready": 3, "spare": 1}, "3 workers ready", "3/3+0"),
        ({"size": 2, "ready": 4}, "2 workers ready", "2/2"),
    ],
)
def test_spare_workers_do_not_count_towards_the_size(
    fake: Fake, full: Run, counts: dict[str, int], said: str, shown: str
) -> None:
    """The last: the pool became smaller, and two workers are still in their calls."""
    fake.queries["up"] = {**POOL, **counts, "changed": False}
    assert full("up").err.startswith(f"pool default: {said} already (")
    fake.queries["status"] = {**STATUS, "pools": [{**POOL, **counts}]}
    assert f" {shown} " in full("status").out
