"""The same commands over workers of every language: what a user sees must not depend on it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.client.segments import read
from snakepit_cli.wire import front
from tests.e2e.conftest import finish, foreground
from tests.harness import procs, wait
from tests.harness.pit import Pit

FOLDER = Path(__file__).parent / "adapters"
ADAPTERS = {
    "python": f"{FOLDER}/adapter.py:Adapter",
    "node": f"node:{FOLDER}/adapter.mjs",
    "ruby": f"ruby:{FOLDER}/adapter.rb",
    "go": f"go:{FOLDER}/go",
}
RAISED = {"python": "IndexError", "node": "RangeError", "ruby": "IndexError", "go": "main.RangeError"}
CONFIG = "".join(
    f'[pools.{name}]\nadapter = "{adapter}"\nsize = 1\n[pools.{name}.limits]\nsilence_timeout = 1.0\n'
    for name, adapter in ADAPTERS.items()
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        for name in ADAPTERS:
            one.run("up", name)
        yield one


class Language:
    """A pool of one language."""

    def __init__(self, pit: Pit, name: str) -> None:
        self.pit = pit
        self.name = name

    def call(self, command: str, *args: str, **options: Any) -> Any:
        return json.loads(self.pit.run("exec", command, *args, "--pool", self.name, **options).stdout)

    def error(self, command: str, *args: str) -> dict[str, Any]:
        found: dict[str, Any] = self.pit.json("exec", command, *args, "--pool", self.name, "--json", check=False)[
            "error"
        ]
        return found

    def until_well(self) -> None:
        self.pit.until_pool("a worker", name=self.name, ready=1, busy=0)


@pytest.fixture(params=ADAPTERS)
def pool(request: pytest.FixtureRequest, shared: Pit) -> Language:
    language = Language(shared, request.param)
    language.until_well()
    return language


def test_commands_are_described(pool: Language) -> None:
    known = {one["name"]: one for one in pool.pit.json("commands", "--pool", pool.name, "--json")["commands"]}
    assert {"add", "echo", "count", "ask"} <= known.keys()
    assert known["count"]["streaming"]
    assert not known["add"]["streaming"]
    add = {one["name"]: one for one in known["add"]["parameters"]}
    assert (add["a"]["required"], add["b"]["required"], add["b"]["default"]) == (True, False, 1)


@pytest.mark.parametrize(("size", "kind"), [(1000, front.CHUNKS), (1_000_000, front.CHUNKS_REF)])
def test_long_chunks_are_referred_to_when_their_reader_asks_for_that(pool: Language, size: int, kind: int) -> None:
    text, header = "x" * size, {"pool": pool.name, "stream": True}
    args = json.dumps({"value": text}).encode()
    with pool.pit.connection() as connection:
        for _ in range(3):
            request = connection.send_call("echo", [args], {**header, "references": True})
            found, body = connection.next_about(request)
            assert found == kind
            if kind == front.CHUNKS_REF:
                reference = json.loads(body)
                body = read(reference)
                connection.sock.sendall(front.frame(front.RELEASE, request, reference["path"].encode()))
            assert text.encode() in body
            assert body.endswith(b"\n")
            assert connection.next_about(request)[0] == front.RESULT
        assert connection.next_about(connection.send_call("echo", [args], header))[0] == front.CHUNKS


def test_a_call_its_answer_and_its_session(pool: Language) -> None:
    assert pool.call("add", "a:=41") == {"sum": 42}
    assert pool.call("session", "--session", "s1") == "s1"
    assert next(one for one in pool.pit.status()["pools"] if one["name"] == pool.name)["language"] == pool.name


@pytest.mark.parametrize(
    "value",
    ['ü\u2028\n\t"\\😀\x00', 9007199254740991, -1, 0.1, 1e308, 5e-324, True, None, [], {}, [[1], {"a": None}], ""],
)
def test_values_are_exactly_preserved(pool: Language, value: Any) -> None:
    args = {"value": value, "k\u00e9y": [value]}
    assert pool.call("echo", "--args", json.dumps(args)) == args


def test_what_is_raised_is_told_in_the_languages_own_words(pool: Language) -> None:
    error = pool.error("fail", "message=no way")
    assert (error["kind"], error["type"], error["language"]) == ("command_failed", RAISED[pool.name], pool.name)
    assert "no way" in error["message"]
    assert "adapter." in error["traceback"]


def test_what_cannot_be_done_is_named(pool: Language) -> None:
    assert pool.error("nosuch")["kind"] == "command_not_found"
    assert pool.error("unfit")["kind"] == "invalid_result"


def test_streams_plain_calls_of_streams_and_streams_of_plain_calls(pool: Language) -> None:
    stream = ("stream", "count", "n:=20000", "--pool", pool.name)
    assert pool.pit.run(*stream).stdout == "".join(f"{n}\n" for n in range(20000))
    assert pool.call("count", "n:=3") == [0, 1, 2]
    assert pool.pit.run("stream", "add", "a:=1", "--pool", pool.name).stdout == '{"sum":2}\n'


def test_a_slow_reader_stops_the_generator_and_one_that_leaves_ends_it(pool: Language) -> None:
    with pool.pit.start("stream", "count", "n:=100000000", "--pool", pool.name) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "0\n"
        run.send_signal(signal.SIGSTOP)
        [worker] = [one for one in pool.pit.workers() if one["pool"] == pool.name]

        def rested() -> bool:
            before = procs.cpu_seconds(worker["pid"])
            time.sleep(0.1)  # what is measured: the share of a processor that it takes
            return procs.cpu_seconds(worker["pid"]) - before < 0.03

        wait.until(rested, "the generator to rest")
        run.send_signal(signal.SIGCONT)
        run.stdout.close()
        assert run.wait(20) == 141
    pool.until_well()


def test_blocks_keep_order_and_fail_alone(pool: Language) -> None:
    lines = [*(f'{{"a":{n}}}' for n in range(2000)), "{nope", '{"a":1,"b":2}']
    done = pool.pit.run("map", "add", "--pool", pool.name, input="\n".join(lines), check=False)
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert [one["sum"] for one in out[:2000]] == [n + 1 for n in range(2000)]
    assert (out[2000]["error"]["kind"], out[2000]["error"]["line"]) == ("invalid_arguments", 2001)
    assert out[2001] == {"sum": 3}
    assert (
        pool.pit.run("map", "echo", "--lines", "--pool", pool.name, input="ä\n\n").stdout
        == '{"item":"ä"}\n{"item":""}\n'
    )
    mixed = pool.pit.run("map", "fail", "--arg", "message", "--pool", pool.name, input='"x"\n', check=False)
    assert json.loads(mixed.stdout)["error"]["type"] == RAISED[pool.name]


UNLIKE = [
    '{"a": {"b": [1]}}', '{"a": "\\u00e9\\n"}', '{"a": 9007199254740993}', "{}", '{"a": 1, "a": 2}', '{"a": "},{"}',
    '{"a": -0.5e3}', '{"b": 1, "a": null}', '{"a": "\\ud83d\\ude00"}', ' {"a":1} ', '{"a": "' + "x" * 100_000 + '"}',
]  # fmt: skip


def test_items_that_are_unlike_those_around_them_are_answered_the_same(pool: Language) -> None:
    lines = [line for one in UNLIKE for line in (*(f'{{"a": {n}}}' for n in range(40)), one)]
    done = pool.pit.run("map", "echo", "--pool", pool.name, input="\n".join(lines))
    assert [json.loads(line) for line in done.stdout.splitlines()] == [json.loads(line) for line in lines]


def test_an_item_that_is_refused_is_refused_alone_and_in_the_words_of_a_single_call(pool: Language) -> None:
    refused = {'{"b": 1}': ["b:=1"], "{}": [], '{"a": 1, "c": 1}': ["a:=1", "c:=1"]}
    torn = ['{"a": 1', '{"a": 1}}', '{"a": 1},{"a": 2}', '{"a": 1} {"a": 2}', "", "]", '{"a": "\t"}']
    lines = [line for one in (*refused, *torn) for line in (*['{"a": 1}'] * 40, one)]
    done = pool.pit.run("map", "add", "--pool", pool.name, input="\n".join([*lines, '{"a": 1}']), check=False)
    out = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [one.pop("error") for one in out[40::41]]
    assert [(one["line"], one["kind"]) for one in failed] == [(41 * n, "invalid_arguments") for n in range(1, 11)]
    assert [one["message"] for one in failed[:3]] == [pool.error("add", *args)["message"] for args in refused.values()]
    assert [one for one in out if one] == [{"sum": 2}] * 401


@pytest.mark.parametrize("form", ["--lines", None])
def test_lines_that_are_not_utf_8_are_refused_and_the_others_are_not(pool: Language, form: str | None) -> None:
    quote = b"" if form else b'"'
    text = b"".join(quote + word + quote + b"\n" for word in (b"caf\xc3\xa9", b"caf\xe9", b"\xff", b"end"))
    argv = ("map", "echo", "--arg", "text", "--pool", pool.name, *([form] if form else []))
    done = pool.pit.run(*argv, text=False, input=text, check=False)
    first, *bad, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, first, last) == (3, {"text": "café"}, {"text": "end"})
    assert [one["error"]["kind"] for one in bad] == ["invalid_arguments"] * 2


def test_a_cancel_reaches_a_handler_that_waits(pool: Language) -> None:
    run = foreground(pool.pit, "exec", "nap", "seconds:=60", "--pool", pool.name)
    pool.pit.until_pool("it to run", name=pool.name, running=1)
    [worker] = [one for one in pool.pit.workers() if one["pool"] == pool.name]
    run.send_signal(signal.SIGINT)
    assert finish(run)[0] == 130
    pool.until_well()
    assert pool.call("who") == worker["pid"], "the worker went on"


def test_a_deadline(pool: Language) -> None:
    assert 0 < pool.call("left", "--timeout", "7") <= 7
    assert pool.error("nap", "seconds:=60", "--timeout", "200ms")["kind"] == "worker_timeout"
    pool.until_well()


def test_a_handler_that_burns_the_processor_is_not_taken_for_a_dead_one(pool: Language) -> None:
    """Its probes are answered, or its processor time speaks for it."""
    assert pool.call("burn", "seconds:=3") == "burnt"


def test_a_large_answer_and_one_that_is_too_large(pool: Language) -> None:
    assert len(pool.call("big", "size:=20000000")) == 20_000_000
    if pool.name == "python":  # asks for the room that it needs in shared memory
        assert len(pool.call("big", "size:=40000000")) == 40_000_000
    else:
        assert pool.error("big", "size:=40000000")["kind"] == "invalid_result"
    assert len(pool.call("echo", "text=@-", input="y" * 5_000_000)["text"]) == 5_000_000


@pytest.mark.parametrize(("command", "words"), [("leave", "exited with status"), ("die", "was killed by SIGKILL")])
def test_a_worker_that_ends_in_the_middle_of_a_call(pool: Language, command: str, words: str) -> None:
    error = pool.error(command)
    assert (error["kind"], words in error["message"]) == ("worker_crashed", True)
    pool.until_well()
    assert pool.call("add", "a:=1") == {"sum": 2}


def test_what_is_printed_is_log_and_nothing_else(pool: Language) -> None:
    assert pool.call("say", 'text={"results":[]}') is None

    def logged() -> bool:
        return any('{"results":[]}' in path.read_text() for path in pool.pit.folder.rglob("*.log"))

    wait.until(logged, "the log")


def test_calls_from_language_to_language(pool: Language) -> None:
    for other in ADAPTERS:
        if other != pool.name:
            args = ["command=add", 'args:={"a":1,"b":2}', f"pool={other}"]
            assert pool.call("ask", *args) == {"sum": 3}
            failed = pool.call("ask", "command=fail", 'args:={"message":"far away"}', f"pool={other}")
            assert failed[0] == "command_failed"
            assert "far away" in failed[1]


def test_its_state_survives_the_server(pool: Language) -> None:
    pool.call("keep", 'value:={"deep":[1]}')
    before = pool.call("who")
    procs.kill(pool.pit.status()["server"]["pid"])
    wait.until(lambda: pool.pit.run("exec", "who", "--pool", pool.name, check=False).returncode == 0, "an answer")
    assert (pool.call("who"), pool.call("kept")) == (before, {"deep": [1]})


def test_restart_drains_and_down_leaves_nothing(pool: Language) -> None:
    [worker] = [one for one in pool.pit.workers() if one["pool"] == pool.name]
    pool.pit.run("restart", pool.name)
    assert not procs.alive(worker["pid"])
    assert pool.pit.pool(pool.name)["restarts"] >= 0
    assert pool.call("add", "a:=1") == {"sum": 2}


BROKEN = {
    "python": ("broken.py", "class A:\n    def execute_x(self):\n        return (\n", "SyntaxError"),
    "node": ("broken.mjs", "export const commands = {\n", "SyntaxError"),
    "ruby": ("broken.rb", "class A\n  def x\n    (\n", "SyntaxError"),
    "go": ("broken.go", "package main\n\nfunc main() {\n", "syntax error"),
}


@pytest.mark.parametrize("name", sorted(ADAPTERS.keys() - {"python"}))
def test_capacity_is_how_many_calls_a_worker_runs_at_a_time(shared: Pit, name: str) -> None:
    """Python workers can when their handlers are async: see tests/e2e/test_async.py."""
    shared.run("up", "wide", "--adapter", ADAPTERS[name], "--size", "1", "--capacity", "3")
    naps = [shared.start("exec", "nap", "seconds:=60", "--pool", "wide", "--timeout", "90") for _ in range(4)]
    shared.until_pool("three to run", name="wide", running=3, queued=1)
    for nap in naps:
        nap.kill()
        nap.communicate()
    shared.run("down", "wide")


@pytest.mark.parametrize("name", BROKEN)
def test_a_syntax_error_is_told_at_once_in_the_languages_own_words(shared: Pit, name: str) -> None:
    file, source, words = BROKEN[name]
    shared.adapter(source, file)
    prefix = "" if name == "python" else f"{name}:"
    done = shared.run("up", "broken", "--adapter", f"{prefix}./{file}", "--size", "1", check=False)
    assert done.returncode == 126, done.stderr
    assert words in done.stderr
    missing = shared.run("up", "none", "--adapter", f"{prefix}./none{Path(file).suffix}", "--size", "1", check=False)
    assert missing.returncode == 127
    shared.run("down", "broken", check=False)
    shared.run("down", "none", check=False)


def test_node_names_the_place_of_a_syntax_error_and_shows_the_adapters_frames(shared: Pit) -> None:
    shared.adapter("export const helper = 1\nconst = 2\n", "helper.mjs")
    shared.adapter("import { helper } from './helper.mjs'\nexport const commands = { helper }\n", "imports.mjs")
    done = shared.run("up", "broken", "--adapter", "node:./imports.mjs", "--size", "1", check=False)
    assert "helper.mjs, line 2: " in done.stderr
    shared.run("down", "broken", check=False)
    source = "function deep() { throw new Error('here') }\nexport const commands = {\n  async f() { deep() },\n}\n"
    shared.adapter(source, "deep.mjs")
    shared.run("up", "deep", "--adapter", "node:./deep.mjs", "--size", "1")
    trace = shared.json("exec", "f", "--pool", "deep", "--json", check=False)["error"]["traceback"]
    assert [line.rpartition("/")[2] for line in trace.splitlines()[1:]] == ["deep.mjs:1:25)", "deep.mjs:3:15)"]
    shared.run("down", "deep")


FORKS = """
class Forks
  def split(how: 'exit')
    pid = fork
    if pid.nil?
      exit(3) if how == 'exit'
      raise 'in the child' if how == 'raise'
      return 'child'
    end
    Process.wait2(pid)[1].exitstatus
  end

  def ended
    pid = fork { sleep }
    Process.kill('TERM', pid)
    Process.wait2(pid)[1].termsig
  end

  def who = Process.pid
  def ask = gets
  def answer(question:, context:) = [question, context]
end
"""


def test_the_child_of_a_ruby_handler_leaves(shared: Pit) -> None:
    shared.adapter(FORKS, "forks.rb")
    shared.run("up", "forks", "--adapter", "ruby:./forks.rb", "--size", "1")

    def call(command: str, *args: str) -> Any:
        return json.loads(shared.run("exec", command, *args, "--pool", "forks").stdout)

    worker = call("who")
    for how, status in (("exit", 3), ("raise", 1), ("return", 0)):
        assert call("split", f"how={how}") == status
        out = shared.run("map", "split", "--arg", "how", "--pool", "forks", input=f'"{how}"\n' * 3).stdout
        assert out == f"{status}\n" * 3
    assert call("ended") == signal.SIGTERM
    assert call("ask") is None, "there is no standard input, and no words of the bridge"
    assert call("answer", "question=who", "context=text") == ["who", "text"]
    assert call("who") == worker
    shared.run("down", "forks")


def test_a_missing_runtime_says_how_to_install_it(shared: Pit) -> None:
    pit_env = {**shared.env, "PATH": "/nowhere"}
    done = shared.run("up", "other", "--adapter", ADAPTERS["node"], check=False, env=pit_env)
    assert done.returncode == 127
    assert "there is no node" in done.stderr
    assert "install" in done.stderr


@pytest.mark.parametrize("name", sorted(ADAPTERS.keys() - {"python"}))
def test_a_runtime_that_is_too_old_is_named(shared: Pit, name: str) -> None:
    old = shared.work / "old" / name
    old.parent.mkdir(exist_ok=True)
    old.write_text("#!/bin/sh\necho v1.12.3\n")
    old.chmod(0o755)
    env = {**shared.env, "PATH": f"{old.parent}:{shared.env['PATH']}"}
    done = shared.run("up", "other", "--adapter", ADAPTERS[name], check=False, env=env)
    assert (done.returncode, f"{old} is 1.12.3, which is too old" in done.stderr) == (127, True)
    old.write_text("#!/bin/sh\nexit 1\n")
    done = shared.run("up", "other", "--adapter", ADAPTERS[name], check=False, env=env)
    assert (done.returncode, "does not say its version" in done.stderr) == (126, True)


UNIT_TESTS = {
    "node": ["node", "--test", "test/"],
    "go": ["go", "test", "./..."],
    "ruby": ["ruby", "-w", "-e", "Dir['test/*.rb'].each { |file| require File.expand_path(file) }"],
}


def test_go_is_formatted_and_vetted() -> None:
    root = Path(__file__).resolve().parents[2]
    folders = [
        root / "bridges/go",
        FOLDER / "go",
        root / "tests/puppets/doors/go",
        root / "examples/words",
        root / "benchmarks/adapters/go",
    ]
    found = subprocess.run(["gofmt", "-l", *folders], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout == ""
    vetted = subprocess.run(
        ["go", "vet", "./..."], cwd=folders[0], capture_output=True, text=True, check=False, timeout=60
    )
    assert vetted.returncode == 0, vetted.stderr


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_the_bridges_own_unit_tests(name: str) -> None:
    folder = Path(__file__).resolve().parents[2] / "bridges" / name
    done = subprocess.run(UNIT_TESTS[name], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
