"""Completion: what is asked of a server, and the scripts of three shells."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from snakepit_cli.cli.completion.candidates import candidates
from tests.harness.pit import ROOT
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_process import SECONDS, finish, start
from tests.unit.cli.test_verbs import POOL, STATUS
from tests.unit.client.fake import Fake

PARAMETERS = [
    {"name": "operation", "type": "Literal['add', 'sub']", "required": True},
    {"name": "a", "type": "float", "required": True},
    {"name": "text", "type": "string", "required": True},
    {"name": "fast", "type": "bool", "required": False},
]
LINES = {
    "": ["ping", "compute"],
    "compute ": ["operation=add", "operation=sub", "a:=", "text=", "fast:=true", "fast:=false"],
    "compute a:=1 operation=add ": ["text=", "fast:=true", "fast:=false"],
    "nothing ": [],
    "--json --timeout 3 compute fast:=true text=x ": ["operation=add", "operation=sub", "a:="],
}


Ask = Callable[..., str]


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Ask:
    def asked(*argv: str) -> str:
        assert candidates(list(argv)) == 0
        return capfd.readouterr().out

    return asked


@pytest.fixture
def known(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr("snakepit_cli.cli.completion.candidates._SECONDS", 20.0)  # the machine may be busy
    fake.queries["status"] = {**STATUS, "pools": [POOL, {**POOL, "name": "gpu"}]}
    fake.queries["commands"] = {
        "commands": [{"name": "ping", "parameters": []}, {"name": "compute", "parameters": PARAMETERS}]
    }
    return fake


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("verb", ["exec", "stream", "map"])
def test_words_of_a_call(known: Fake, ask: Ask, verb: str, line: str) -> None:
    assert ask("call", verb, *line.split()).split() == LINES[line]


@pytest.mark.parametrize("options", [["--pool", "gpu"], ["--pool=gpu"], ["-p", "gpu"]])
def test_the_pool_that_is_named_is_asked(known: Fake, ask: Ask, options: list[str]) -> None:
    ask("call", "exec", *options)
    assert known.asked[-1] == {"op": "commands", "pool": "gpu"}


def test_the_instance_that_is_named_is_asked(known: Fake, ask: Ask) -> None:
    assert ask("pools", "-L", "other", "down") == ""
    assert ask("pools", "-L", "default", "down") == "default\ngpu\n"


def test_candidates_start_nothing(fake: Fake, places: Path) -> None:
    fake.queries["status"] = {**STATUS, "pools": [{**POOL, "ready": 0}]}
    assert finish(start("__complete", "call", "exec")) == (0, "", "")
    fake.queries["status"] = lambda *_: None  # never answers
    assert finish(start("__complete", "pools")) == (0, "", "")
    assert finish(start("__complete")) == (0, "", "")


def test_names_in_a_session(fake: Fake, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAKEPIT_SESSION", raising=False)
    fake.queries["session_list"] = {"sessions": [{"id": "s1"}, {"id": "s2"}], "next": None}
    fake.queries |= {"var_list": [{"id": "v", "name": "temperature"}], "program_list": [{"id": "p"}]}
    assert ask("sessions", "session", "show").split() == ["s1", "s2"]
    assert ask("variables", "var", "get") == ""
    assert ask("variables", "var", "get", "--session", "s1") == "temperature\n"
    assert ask("variables", "var", "get", "--session=s2") == "temperature\n"
    assert ask("programs", "program", "get") == "p\n"
    monkeypatch.setenv("SNAKEPIT_SESSION", "s3")
    assert ask("variables", "var", "get") == "temperature\n"
    assert ask("programs", "program", "get", "--global") == "p\n"
    assert [{**one, "limit": 0} for one in fake.asked] == [
        {"op": "session_list", "limit": 0}, {"op": "var_list", "session": "s1", "limit": 0},
        {"op": "var_list", "session": "s2", "limit": 0}, {"op": "program_list", "global": True, "limit": 0},
        {"op": "var_list", "session": "s3", "limit": 0}, {"op": "program_list", "global": True, "limit": 0},
    ]  # fmt: skip


STUB = "snakepit() { shift; echo asked; echo \"$1:${*:2}\" | tr ' ' /; echo text=; }"
BASH = {
    "snakepit st": "stream streams status",
    "snakepit -L ci server re": "restart",
    "snakepit exec ": "asked call:exec text=",
    "snakepit exec -p gpu ": "asked call:exec/-p/gpu text=",
    "snakepit exec echo te": "text=",
    "snakepit exec ping --ti": "--timeout",
    "snakepit stream x --progress p": "plain",
    "snakepit stream x --progress --ra": "--raw",
    "snakepit map x --lines --ar": "--arg",
    "snakepit map x --lines ca": "call:map/x/--lines",
    "snakepit logs --lines 3 se": "server",
    "snakepit up --pool x --adapter ": "",
    "snakepit var get ": "asked variables:var/get text=",
    "snakepit var get x --session ": "asked sessions:var/get/x/--session text=",
    "snakepit session ex": "exists",
}


def bash(script: str, lines: list[str], stub: str = STUB, cwd: Path | None = None) -> list[str]:
    body = f"""{script}
try() {{ COMP_LINE=$1; COMP_POINT=${{#1}}; COMPREPLY=(); _snakepit; echo "${{COMPREPLY[@]}}"; }}
{stub}
""" + "".join(f"try '{line}'\n" for line in lines)
    done = subprocess.run(["bash", "-c", body], capture_output=True, text=True, timeout=SECONDS, check=True, cwd=cwd)
    return done.stdout.splitlines()


def test_bash(places: Path, full: Run) -> None:
    said = bash(full("completion", "bash").out, list(BASH))
    assert dict(zip(BASH, said, strict=True)) == BASH


def test_bash_replaces_what_follows_its_own_word_breaks(places: Path, full: Run) -> None:
    stub = "snakepit() { printf '%s\\n' mode=deep mode=light every:=true; }"
    lines = ["snakepit exec x mode=d", "snakepit exec x every:", "snakepit exec x every:=t"]
    assert bash(full("completion", "bash").out, lines, stub) == ["deep", "=true", "true"]


def test_bash_knows_the_files_of_an_argument(places: Path, full: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert bash(full("completion", "bash").out, ["snakepit exec echo text=@no"], cwd=tmp_path) == ["@notes.txt"]


def test_a_name_is_not_run_by_the_shell(places: Path, full: Run, tmp_path: Path) -> None:
    stub = "snakepit() { printf '%s\\n' '$(touch ran)' '`touch ran`' 'a b'; }"
    said = bash(full("completion", "bash").out, ["snakepit exec "], stub, tmp_path)
    assert said == ["\\$\\(touch\\ ran\\) \\`touch\\ ran\\` a\\ b"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_syntax_of_the_script(shell: str) -> None:
    if program := shutil.which(shell):
        subprocess.run([program, "-n", ROOT / "completions" / f"snakepit.{shell}"], check=True, timeout=SECONDS)


FISH = {
    "snakepit exec ": "call:exec",
    "snakepit exec --pool gpu ": "call:exec/--pool/gpu",
    "snakepit exec x text=@not": "text=@notes.txt",
}


def test_fish(tmp_path: Path) -> None:
    if (program := shutil.which("fish")) is None:
        return
    (tmp_path / "notes.txt").touch()
    (tmp_path / "snakepit").write_text("#!/bin/sh\nshift; w=$1; shift; echo \"$w:$*\" | tr ' ' /\n")
    (tmp_path / "snakepit").chmod(0o755)
    for line, wanted in FISH.items():
        body = f"source {ROOT}/completions/snakepit.fish; complete -C '{line}'"
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        done = subprocess.run(
            [program, "--no-config", "-c", body],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
            cwd=tmp_path,
            env=env,
        )
        assert wanted in [one.partition("\t")[0] for one in done.stdout.splitlines()], done.stdout
