"""Programs in any language that read and write lines."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from snakepit_cli.client.state import Session
from tests.harness import procs, wait
from tests.harness.pit import Pit

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "stdio"
LIMITS = "[limits]\nsilence_timeout = 1.0\n"


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit(LIMITS) as one:
        yield one


@pytest.fixture
def pool(pit: Pit) -> Iterator[str]:
    yield "p"
    pit.run("down", "p", check=False)


def up(pit: Pit, adapter: str, size: int = 1) -> None:
    pit.run("up", "p", "--adapter", adapter, "--size", str(size))


def test_a_filter_of_json(pit: Pit, pool: str) -> None:
    up(pit, "exec:jq -c .a", 2)
    assert pit.run("exec", "json", "a:=1234567", "b=x", "--pool", pool).stdout == "1234567\n"
    out = pit.run("map", "json", "--pool", pool, input="".join(f'{{"a":{n}}}\n' for n in range(3000))).stdout
    assert out == "".join(f"{n}\n" for n in range(3000))
    assert pit.run("map", "json", "--pool", pool, input='{"a":"ü\\n"}\n{"b":1}\n').stdout == '"ü\\n"\nnull\n'


def test_a_filter_of_text(pit: Pit, pool: str) -> None:
    up(pit, "exec:sed -u 's/o/0/g; s/q/\"/'")
    assert pit.run("exec", "line", "item=foo q", "--pool", pool).stdout == '"f00 \\""\n'
    assert pit.run("map", "line", "--lines", "--pool", pool, input="foo\n\nbär\n").stdout == '"f00"\n""\n"bär"\n'
    assert pit.run("map", "line", "--pool", pool, input='"oo"\n7\n').stdout == '"00"\n"7"\n'


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["exec", "line", "item=a\nb"], "line breaks"),
        (["exec", "line", "other=a"], "takes one argument"),
        (["exec", "lines", "item=a"], "`json` and `line`"),
        (["map", "line", "x=1"], "no fixed arguments"),
        (["map", "json", "--lines"], "takes lines of JSON"),
    ],
)
def test_what_cannot_be_put_to_a_filter(pit: Pit, pool: str, argv: list[str], words: str) -> None:
    up(pit, "exec:cat")
    done = pit.run(*argv, "--pool", pool, check=False, input="x\n")
    assert done.returncode != 0
    assert words in done.stderr


def test_an_answer_that_is_no_json_or_no_text_fails_alone(pit: Pit, pool: str) -> None:
    up(pit, 'exec:sed -u \'s/"bad"/{nope/; s/"nan"/NaN/\'')
    out = pit.run("map", "json", "--pool", pool, input='1\n"bad"\n2\n"nan"\n', check=False).stdout.splitlines()
    assert (out[0], out[2]) == ("1", "2")
    assert json.loads(out[1])["error"]["kind"] == "invalid_result"
    pit.run("down", pool)
    up(pit, r"exec:sed -u 's/x/\xff/'")
    error = pit.json("exec", "line", "item=x", "--pool", pool, "--json", check=False)["error"]
    assert (error["kind"], error["message"]) == ("invalid_result", "the answer is not UTF-8")


def test_one_line_too_many_is_never_taken_for_anothers(pit: Pit, pool: str) -> None:
    up(pit, "exec:jq -c .[]")
    out = pit.run("map", "json", "--pool", pool, input="[1,2]\n[3]\n[4]\n", check=False).stdout.splitlines()
    assert "more lines than it was asked" in json.loads(out[0])["error"]["message"]
    assert out[1:] == ["3", "4"]


def test_one_that_keeps_silent_is_told_what_may_be_wrong(pit: Pit, pool: str) -> None:
    up(pit, "exec:grep x")
    error = pit.json("exec", "line", "item=y", "--pool", pool, "--json", check=False)["error"]
    assert (error["kind"], "stdbuf -oL" in error["message"]) == ("worker_unresponsive", True)


def test_one_that_computes_for_long_is_left_alone(pit: Pit, pool: str) -> None:
    up(pit, "exec:gawk '{for (i = 0; i < 4e7; i++) x += i; print (x > 0); fflush()}'")
    assert pit.run("exec", "line", "item=y", "--pool", pool).stdout == '"1"\n'


def test_programs_that_cannot_run_are_named(pit: Pit, pool: str) -> None:
    (pit.work / "plain").write_text("#!/bin/sh\ncat\n")
    for adapter, code, words in [
        ("exec:nosuchprogram -x", 127, "there is no program 'nosuchprogram'"),
        ("exec:./plain", 126, "cannot be executed"),
        ("exec:", 127, "names no program"),
        ("exec:'", 127, "No closing quotation"),
        ("exec:false", 69, "exited with status 1 before it was ready"),
        ("exec-json:echo nonsense", 126, "it wrote a line that is no reply"),
        ("exec-json:echo {}", 126, "its first line"),
    ]:
        done = pit.run("up", pool, "--adapter", adapter, "--size", "1", check=False)
        assert (done.returncode, words in done.stderr) == (code, True), (adapter, done.stderr)
        pit.run("down", pool, check=False)
    (pit.work / "plain").chmod(0o755)
    up(pit, "exec:./plain")
    assert pit.run("exec", "line", "item=x", "--pool", pool).stdout == '"x"\n'


def test_a_program_cannot_be_told_its_capacity(pit: Pit, pool: str) -> None:
    done = pit.run("up", pool, "--adapter", "exec:cat", "--capacity", "2", check=False)
    assert (done.returncode, "how many calls it takes" in done.stderr) == (2, True)


WORKERS = {
    "exec-json:perl {}/worker.pl": ("add", "a:=1", "b:=2", "3\n"),
    "exec-json:Rscript {}/worker.R": ("add", "a:=1", "b:=2", "3\n"),
    "exec:lua5.4 {}/worker.lua": ("line", "item=abc", "", '"cba"\n'),
    "exec:gawk -f {}/worker.awk": ("line", "item=1 2 3", "", '"6"\n'),
    "exec:bash {}/worker.sh": ("line", "item=some more words", "", '"3 words"\n'),
}


@pytest.mark.parametrize("adapter", WORKERS)
def test_the_examples(pit: Pit, pool: str, adapter: str) -> None:
    command, *args, wanted = WORKERS[adapter]
    up(pit, adapter.format(shlex.quote(str(EXAMPLES))))
    assert pit.run("exec", command, *filter(None, args), "--pool", pool).stdout == wanted


def test_a_program_of_many_commands(pit: Pit, pool: str) -> None:
    up(pit, f"exec-json:perl {shlex.quote(str(EXAMPLES))}/worker.pl", 2)
    assert pit.run("stream", "countdown", "from:=3", "--pool", pool).stdout == "3\n2\n1\n"
    assert pit.run("stream", "add", "a:=1", "b:=1", "--pool", pool).stdout == "2\n"
    items = "".join(f'{{"a":{n},"b":1}}\n' for n in range(500))
    assert pit.run("map", "add", "--pool", pool, input=items).stdout == "".join(f"{n + 1}\n" for n in range(500))
    failed = pit.json("exec", "nosuch", "--pool", pool, "--json", check=False)["error"]
    assert (failed["kind"], failed["type"]) == ("command_failed", "die")
    assert "perl" in {one["language"] for one in pit.status()["pools"]} or failed["language"] == "exec"
    names = [one["name"] for one in pit.json("commands", "--pool", pool, "--json")["commands"]]
    assert names == ["add", "countdown"]


ROGUE = """
import json, sys
print(json.dumps({"hello": {"commands": ["twice", "stranger", "hello", "exit", "never"], "capacity": 1}}), flush=True)
for line in sys.stdin:
    said = json.loads(line)
    if "cancel" in said: continue
    answer = json.dumps({"id": said["id"], "result": 1})
    out = {"twice": [answer, answer], "stranger": ['{"id": 999}'], "hello": ['{"hello": {"commands": []}}']}
    if said["command"] == "exit": sys.exit(3)
    for one in out.get(said["command"], []): print(one, flush=True)
"""


@pytest.mark.parametrize("command", ["stranger", "hello", "exit"])
def test_a_program_that_breaks_the_protocol_is_replaced(pit: Pit, pool: str, command: str) -> None:
    pit.adapter(ROGUE, "rogue.py")
    up(pit, f"exec-json:{shutil.which('python3')} rogue.py")
    error = pit.json("exec", command, "--pool", pool, "--json", check=False)["error"]
    assert error["kind"] == "worker_crashed"
    pit.until_pool("another one", name=pool, ready=1, busy=0)


def test_an_answer_that_comes_twice_ends_the_worker(pit: Pit, pool: str) -> None:
    pit.adapter(ROGUE, "rogue.py")
    up(pit, f"exec-json:{shutil.which('python3')} rogue.py")
    assert pit.run("exec", "twice", "--pool", pool).stdout == "1\n"
    pit.until_pool("another one", name=pool, restarts=1, ready=1)


FLOOD = """
import json, sys
print(json.dumps({"hello": {"commands": ["flood", "ping"]}}), flush=True)
while line := sys.stdin.readline():
    said = json.loads(line)
    if said.get("command") != "flood":
        print(json.dumps({"id": said["id"]}), flush=True)
        continue
    for n in range(1, 200):
        print(json.dumps({"ask": n, "in": said["id"], "query": {"op": "var_get", "name": "large"}}), flush=True)
    while True: pass
"""


def test_a_program_that_never_reads_what_it_asks_for_is_ended(pit: Pit, pool: str) -> None:
    pit.adapter(FLOOD, "flood.py")
    up(pit, f"exec-json:{shutil.which('python3')} flood.py")
    with pit.connection() as connection:
        Session(connection, "s").set("large", "x" * 1_000_000)
    error = pit.json("exec", "flood", "--pool", pool, "--session", "s", check=False)["error"]
    assert (error["kind"], "it does not read the answers" in error["message"]) == ("worker_crashed", True), error
    pit.until_pool("another one", name=pool, ready=1, busy=0)
    assert pit.run("exec", "ping", "--pool", pool, "--session", "s").stdout == "null\n"


def test_a_call_that_is_given_up_ends_a_filter_that_goes_on(pit: Pit, pool: str) -> None:
    up(pit, "exec:bash -c 'while read -r x; do sleep $x; echo $x; done'")
    late = pit.json("exec", "line", "item=60", "--pool", pool, "--timeout", "200ms", "--json", check=False)["error"]
    assert late["kind"] == "worker_timeout"
    pit.until_pool("another one", name=pool, restarts=1, ready=1)
    assert pit.run("exec", "line", "item=0", "--pool", pool).stdout == '"0"\n'


def test_when_the_server_dies_such_workers_are_started_anew() -> None:
    with Pit(LIMITS) as pit:
        pit.run("up", "p", "--adapter", "exec:cat", "--size", "1")
        [before] = pit.workers()
        procs.kill(pit.status()["server"]["pid"])
        wait.until(lambda: pit.run("exec", "line", "item=x", "--pool", "p", check=False).stdout == '"x"\n', "an answer")
        assert not procs.alive(before["pid"])


def test_nothing_is_kept_open_of_a_program_that_is_gone() -> None:
    with Pit('[pools.default]\nadapter = "exec:cat"\nsize = 1\n') as pit:
        pit.run("exec", "json", "a:=1")
        server = psutil.Process(pit.status()["server"]["pid"])
        before = server.num_fds()
        for number in range(1, 4):
            [worker] = pit.workers()
            procs.kill(worker["pid"])
            pit.until_pool("another", restarts=number, ready=1)
        wait.until(lambda: server.num_fds() <= before, "the descriptors to be closed")
