"""Malformed input of the parsers that read a command line or a file: in this process, a child for each five hundred.

A child, because a parser may hang, leak, or take its process with it; the number of the input that did it stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.base.identity import Identity
from snakepit_cli.cli import app as cli
from snakepit_cli.client.call import arguments
from snakepit_cli.client.call.arguments import ArgumentsError
from snakepit_cli.client.connect import start_warden
from snakepit_cli.core.limits import Limits
from snakepit_cli.settings import load
from snakepit_cli.settings.schema import Settings
from snakepit_cli.warden.burial import reap
from snakepit_cli.warden.records.store import Registry
from tests.crash import mutate
from tests.crash.oracle import Oracle
from tests.harness import machine

_BATCH = 500
_HANG = 3
"""Seconds after which an input is given up."""
_EXITS = {0, *(kind.exit for kind in KINDS.values())}
Take = Callable[[int, random.Random], str]
"""Deals with one input and returns what it was. Raises AssertionError, or whatever should not have come out."""


class _HungError(BaseException):
    """Nothing catches this on the way."""


def _alarm(*_: object) -> None:
    raise _HungError


def _all(oracle: Oracle, take: Take) -> None:
    """Every input, in children of five hundred."""
    batch: list[tuple[int, random.Random]] = []
    for number in range(oracle.inputs):
        chance = random.Random(f"{oracle.seed}/{number}")
        oracle.count("inputs")
        batch.append((number, chance))
        if len(batch) == _BATCH or number + 1 == oracle.inputs:
            _in_a_child(oracle, take, batch)
            batch = []
        if len(oracle.failures) > 20:
            return


def _in_a_child(oracle: Oracle, take: Take, batch: list[tuple[int, random.Random]]) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _child(take, batch, write)
    os.close(write)
    with open(read, "rb") as file:
        lines = file.read().splitlines()
    _, status = os.waitpid(child, 0)
    said = [json.loads(line) for line in lines]
    for one in said:
        oracle.figures["KiB grown"] = max(oracle.figures.get("KiB grown", 0.0), one.get("grown", 0.0))
        oracle.figures["slowest"] = max(oracle.figures.get("slowest", 0.0), one.get("ms", 0.0))
        if "failure" in one:
            oracle.fail(f"input {one['number']}: {one['failure']}")
    if status:
        oracle.fail(f"input {said[-1]['number'] + 1 if said else batch[0][0]} ended its process: status {status}")


def _child(take: Take, batch: list[tuple[int, random.Random]], pipe: int) -> None:
    status = 1
    try:
        signal.signal(signal.SIGALRM, _alarm)
        before = 0
        _one(take, batch[0][0], random.Random(0))  # imports what the others find imported: it does not count
        for done, (number, chance) in enumerate(batch):
            before = mutate.memory_of() if done == len(batch) // 5 else before
            os.write(pipe, json.dumps(_one(take, number, chance)).encode() + b"\n")
        grown = mutate.memory_of() - before
        os.write(pipe, json.dumps({"number": batch[-1][0], "grown": grown / 1024}).encode() + b"\n")
        if grown > mutate.GROWTH:
            said = {"number": batch[-1][0], "failure": f"{grown >> 20} MiB more than after a fifth of the inputs"}
            os.write(pipe, json.dumps(said).encode() + b"\n")
        status = 0
    finally:
        os._exit(status)


def _one(take: Take, number: int, chance: random.Random) -> dict[str, object]:
    said: dict[str, object] = {"number": number}
    began, what = time.monotonic(), ""
    signal.alarm(_HANG)
    try:
        what = take(number, chance)
    except BaseException:  # noqa: BLE001 — the parent says what it was
        said["failure"] = traceback.format_exc()[-700:]
    signal.alarm(0)
    took = time.monotonic() - began
    said["ms"] = took * 1000
    if "failure" not in said and machine.too_late(took, mutate.SLOW):
        said["failure"] = f"took {took:.1f} s: {what[:300]!r}"
    return said


# ------------------------------------------------------------------------------------------------ arguments

_LINES = [
    ["exec", "ping"],
    ["exec", "compute", "operation=add", "a:=1", "b:=2.5", "--timeout", "5s", "--json"],
    ["exec", "echo", "--args", '{"a": [1, {"b": null}], "text": "x\\u00e4"}', "key=\\@text", "--pool", "words"],
    ["exec", "echo", "a=@file", "b:=@file.json", "--field", "a.b", "--raw", "--session", "s1"],
    ["stream", "count", "n:=3", "--progress", "none", "-L", "ci", "--color", "never"],
    ["up", "words", "--adapter", "words.py:Words", "--size", "2", "--no-wait", "--timeout", "1m"],
    ["down", "--all", "--timeout", "2s"], ["down", "words", "--json"],
    ["status", "--json"], ["workers"], ["commands", "--pool", "words"], ["logs", "server", "-n", "5"],
    ["reap", "--dry-run", "--json"], ["server", "status"], ["server", "restart", "--timeout", "1s"],
    ["completion", "bash"], ["debug", "failpoints"], ["--version"], ["--help"], ["exec", "--help"],
]  # fmt: skip
_TEXTS = ['{"a": 1}', '[1, 2.5e3, "x\\u00e4", null, true]', '"text"', "-0.5", '{"a": {"b": [[], {}]}, "c": "\\ud83d"}']


def fuzz_arguments(oracle: Oracle) -> None:
    """Mutated command lines and JSON: an exit code of the table, JSON that every parser can read, no traceback."""
    (oracle.work / "file").write_text("text")
    (oracle.work / "file.json").write_text('{"a": [1, 2]}')
    os.chdir(oracle.work)
    os.environ["HOME"] = str(oracle.work)
    _all(oracle, lambda number, chance: (_json if number % 2 else _line)(oracle, chance))


def _line(oracle: Oracle, chance: random.Random) -> str:
    """No server is started, followed or become: everything else is as in a process of its own."""
    argv = [*chance.choice(_LINES)]
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(argv)) if argv else 0
        action = chance.random()
        if action < 0.5 and argv:
            argv[at] = os.fsdecode(mutate.changed(chance, os.fsencode(argv[at])).replace(b"\0", b""))
        elif action < 0.65 and argv:
            del argv[at]
        elif action < 0.8:
            argv.insert(at, chance.choice(chance.choice(_LINES)))
        else:
            value = str(chance.choice(mutate.VALUES)).replace("\0", "")
            argv.insert(at, value.encode(errors="ignore").decode())
    start_warden.warden = _no_warden  # type: ignore[assignment]
    if {"-f", "--follow", "run"} & {*argv} or any(word[:2] == "-f" or word[:4] == "--fo" for word in argv):
        return ""
    with open(oracle.folder / "out", "w+b") as out:
        kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(out.fileno(), number)
        try:
            code = cli.run(argv)
        finally:
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
        out.seek(0)
        said = out.read()
    assert code in _EXITS, f"{argv}: exit {code}"
    assert code != KINDS["internal"].exit, f"{argv}: {said[-400:]!r}"
    assert b"Traceback (most" not in said, f"{argv}: {said[-400:]!r}"
    return repr(argv)


def _no_warden(*_: object) -> None:
    raise PitError("unavailable", "not here")


def _json(_: Oracle, chance: random.Random) -> str:
    """What is let through is one JSON object for every reader; what is refused is no JSON, or nested too deeply."""
    text = mutate.changed(chance, chance.choice(_TEXTS).encode()).decode(errors="surrogateescape")
    if chance.random() < 0.02:
        text = chance.choice(("[", '{"a":', "[[]," * 3)) * chance.choice((100, 501, 100_000)) + text
    try:
        strict = json.loads(text, parse_constant=_refused)
        text.encode()
        valid = True
    except (ValueError, RecursionError):
        strict, valid = None, False
    file = text[:1] == "@"
    cases = (
        (["key=" + text], None, False),
        (["key:=" + text], None, valid and not file),
        ([], text, isinstance(strict, dict) and not file),
    )
    for items, args, wanted in cases:
        problem, built = "", b"{}"
        try:
            built = arguments.build(items, args, stdin=lambda: b"{}")
        except ArgumentsError as error:
            problem = f"{error.kind} {error.message}"
        assert not wanted or not problem or "nested" in problem, f"{text[:300]!r}: {problem}"
        assert isinstance(json.loads(built, parse_constant=_refused), dict), built
    return text


def _refused(name: str) -> None:
    raise ValueError(name)


# ---------------------------------------------------------------------------------------- configuration file

_CONFIG = """
[server]
idle_timeout = "30m"
max_message_bytes = 33554432

[limits]
queue_timeout = "5s"
queue_size = 100
stop_grace = 2.5

[pools.words]
adapter = "path/to/file.py:Class"
size = 4
python = "python3"
env = { NAME = "value" }

[pools.words.limits]
request_timeout = "1m"
"""
_SETTINGS = ('""', "0", "-1", "1e308", "nan", "inf", "true", "[]", "{}", "1979-05-27", '"1e9h"', "99999999999999999999",
             '"\\u0000"', "0x7f", "1025")  # fmt: skip


def fuzz_config(oracle: Oracle) -> None:
    """Mutated configuration files: settings that can be used, or `invalid_configuration`."""
    file = oracle.folder / "mutated.toml"
    os.environ["SNAKEPIT_CONFIG"] = str(file)
    _all(oracle, lambda _, chance: _settings(file, chance))
    _used(oracle)


def _toml(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return mutate.changed(chance, _CONFIG.encode())
    lines = _CONFIG.splitlines()
    at = chance.choice([number for number, line in enumerate(lines) if " = " in line])
    lines[at] = f"{lines[at].partition(' = ')[0]} = {chance.choice(_SETTINGS)}"
    return "\n".join(lines).encode()


def _settings(file: Path, chance: random.Random) -> str:
    text = _toml(chance)
    file.write_bytes(text)
    found, kind = Settings(), "invalid_configuration"
    try:
        found = load.load()
    except PitError as error:
        kind = error.kind
    assert kind == "invalid_configuration", f"{text!r}: {kind}"
    _usable(found)
    return repr(text)


def _usable(found: Settings) -> None:
    """What the server makes of it."""
    for name in ("default", *found.pools):
        pool = found.pool(name)
        if pool is not None:
            Limits(**pool.limits)  # type: ignore[arg-type]
            assert 1 <= pool.size <= 1024, f"pool {name} of {pool.size} workers"


def _used(oracle: Oracle) -> None:
    """A few with real commands: a call, and what a person gets to read."""
    for _ in range(1 + oracle.inputs // 1000):
        (oracle.folder / "config.toml").write_bytes(_toml(oracle.random).replace(b"size = 4", b"size = 1"))
        out = oracle.run("exec", "ping", "--json", "--timeout", "20", wanted=None)
        answer = json.loads(out) if out else {}
        if answer != "pong" and answer.get("error", {}).get("kind") == "internal":
            oracle.fail(f"with a mutated configuration: {answer}")
        oracle.run("down", "--timeout", "1", wanted=None)


# ---------------------------------------------------------------------------------------------- registry file


def fuzz_registry(oracle: Oracle) -> None:
    """Mutated registry files, rows of foreign processes in them: read or set aside, then written to; none is harmed."""
    oracle.run("reap")
    cookie = (oracle.state / "cookie").read_text()
    whole = _whole(oracle)
    _all(oracle, lambda _, chance: _registry(oracle, chance, whole, cookie))


def _whole(oracle: Oracle) -> dict[str, bytes]:
    """A registry file as a killed warden leaves it, by suffix: most rows in the file, the last in its log."""
    folder = oracle.folder / "whole"
    folder.mkdir()
    registry = Registry(folder / "registry.db")
    rows = [Identity("f" * 36, 1, pid, 1000 + pid) for pid in oracle.decoys.pids]
    for number, one in enumerate(rows):
        registry.reserve("dead-run", "worker", [f"dead-{number}"])
        registry.bind([(f"dead-{number}", one)])
        if number == len(rows) - 3:
            registry.close()
            registry = Registry(folder / "registry.db")
    found = {suffix: (folder / f"registry.db{suffix}").read_bytes() for suffix in ("", "-wal")}
    registry.close()
    return found


def _registry(oracle: Oracle, chance: random.Random, whole: dict[str, bytes], cookie: str) -> str:
    folder = oracle.folder / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    suffixes = chance.choice((("",), ("", "-wal"), ("", "-wal")))
    victim = chance.choice(suffixes)
    for suffix in suffixes:
        data = whole[suffix]
        (folder / f"registry.db{suffix}").write_bytes(mutate.changed(chance, data) if suffix == victim else data)
    if chance.random() < 0.2:
        _wrong_values(chance, folder / "registry.db")
    registry = Registry(folder / "registry.db")
    try:
        reap.reap(registry, cookie, None)
        registry.reserve("run", "worker", ["worker-1"])
        registry.bind([("worker-1", Identity("boot", 1, 4_000_000, 1))])
        assert "worker-1" in {record.id for record in registry.records()}, "not written"
    except sqlite3.Error:
        # Found out only now: the warden sets the file aside and writes another.
        registry.renew()
        registry.reserve("run", "worker", ["worker-1"])
        registry.bind([("worker-1", Identity("boot", 1, 4_000_000, 1))])
    finally:
        registry.close()
    return f"registry.db{victim}"


def _wrong_values(chance: random.Random, file: Path) -> None:
    """A file in order with values in it that snakepit has not written."""
    column = chance.choice(("id", "run", "role", "boot", "pidns", "pid", "start", "created"))
    value = chance.choice((-1, 0, 1, 2**31, 2**63 - 1, 1.5, "", "x", b"\xff", "\0", None))
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError), contextlib.closing(sqlite3.connect(file)) as db:
        db.execute(f"UPDATE OR IGNORE process SET {column} = ?", (value,))
        db.commit()
