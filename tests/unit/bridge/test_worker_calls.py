"""A real worker answers calls: values, failures, arguments."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from snakepit_bridge import worker_pb2 as pb

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Attached, Gateway
from tests.unit.bridge.processes import PYTHON

Kind = pb.Failure.Kind


def test_hello_says_who_and_what(worker: Attached) -> None:
    hello = worker.hello
    asked = [PYTHON, "-c", "import platform; print(platform.python_version())"]
    version = subprocess.check_output(asked, text=True).strip()
    assert (hello.token, hello.worker, hello.language) == ("secret", "w1", "python")
    assert (hello.runtime, hello.protocol_min, hello.protocol_max, hello.capacity) == (
        version,
        1,
        2,
        1,
    )
    assert hello.pid > 0
    specs = {spec.name: spec for spec in hello.commands}
    add = specs["add"]
    assert add.summary == "Adds two numbers."
    assert [(p.name, p.type, p.required, p.default_json, p.summary) for p in add.parameters] == [
        ("a", "int", True, "", "The first one."),
        ("b", "int", False, "1", "The second one, which has a default."),
    ]
    assert not add.streaming
    assert not add.open
    assert specs["count"].streaming
    assert specs["acount"].streaming
    assert specs["whole"].open
    assert specs["renamed"].open
    assert "original" not in specs
    assert [p.name for p in specs["about"].parameters] == ["name"]


def test_calls_of_all_kinds(worker: Attached) -> None:
    assert worker.value("add", b'{"a":2}') == b"3"
    assert worker.value("add", b'{"b":5,"a":2}') == b"7"
    assert worker.value("whole", b'{"x":1,"y":2}') == b'{"keys":["x","y"]}'
    assert worker.value("later", b'{"value":[1,null]}') == b"[1,null]"
    assert worker.value("renamed", b'{"self":1,"args":2}') == b'{"self":1,"args":2}'
    assert worker.value("bump") == b"101"
    assert worker.value("bump", b"") == b"102"


def test_many_calls_in_one_message_are_answered_in_order(worker: Attached) -> None:
    calls = [worker.new_call("add", b'{"a":%d}' % n) for n in range(500)]
    worker.say(calls=calls)
    worker.result(500)
    assert [worker.results[call.id].value for call in calls] == [b"%d" % (n + 1) for n in range(500)]
    assert list(worker.results) == [call.id for call in calls]
    assert worker.messages < 500, "answers that gather leave together"


def test_context(worker: Attached, tmp_path: Path) -> None:
    here = worker.value("about", b'{"name":"f.csv"}', session="s1", cwd="/some/dir", timeout_seconds=5.0)
    assert json.loads(here) == {
        "command": "about", "session": "s1", "cwd": "/some/dir", "path": "/some/dir/f.csv", "limited": True,
    }  # fmt: skip
    assert json.loads(worker.value("about", cwd="/"))["limited"] is False
    assert worker.failure("about", b'{"ctx":1}').kind == Kind.INVALID_ARGUMENTS
    assert "directory is not known" in worker.failure("about", b'{"name":"f.csv"}').message
    assert json.loads(worker.value("about", b'{"name":"/f.csv"}'))["path"] == "/f.csv"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (b'{"a":NaN}', ["JSON"]),
        (b'{"a":Infinity}', ["JSON"]),
        (b'{"a":1e999}', ["JSON"]),
        (b"[1]", ["object", "array"]),
        (b"null", ["object", "null"]),
        (b"{", ["JSON"]),
        (b"\xff\xfe", ["JSON"]),
        (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", ["nested too deeply"]),
        (b"{}", ["missing argument `a`"]),
        (b'{"a":1,"c":2}', ["unknown argument `c`"]),
        (b'{"a":1,"bb":2}', ["unknown argument `bb`", "did you mean `b`"]),
    ],
)
def test_bad_arguments_are_named(worker: Attached, args: bytes, words: list[str]) -> None:
    failure = worker.failure("add", args)
    assert failure.kind == Kind.INVALID_ARGUMENTS
    for word in words:
        assert word in failure.message
    assert worker.value("add", b'{"a":1}') == b"2"


def test_unknown_command(worker: Attached) -> None:
    failure = worker.failure("bumb")
    assert failure.kind == Kind.COMMAND_NOT_FOUND
    assert "did you mean `bump`" in failure.message


def test_exceptions_keep_type_message_and_traceback(worker: Attached) -> None:
    failure = worker.failure("raises")
    assert (failure.kind, failure.type, failure.message) == (Kind.COMMAND_FAILED, "ValueError", "outside")
    assert "LookupError: deep down" in failure.traceback
    assert "in inner" in failure.traceback
    assert "direct cause" in failure.traceback
    assert "snakepit_bridge" not in failure.traceback
    assert "sample.py" in failure.traceback


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("leaves", "SystemExit"),
        ("aleaves", "SystemExit"),
        ("interrupted", "KeyboardInterrupt"),
        ("unprintable", "Unprintable"),
    ],
)
def test_nothing_a_handler_raises_ends_the_worker(worker: Attached, command: str, kind: str) -> None:
    failure = worker.failure(command)
    assert (failure.kind, failure.type) == (Kind.COMMAND_FAILED, kind)
    assert worker.value("add", b'{"a":1}') == b"2"


def test_noise_is_only_log(start: Start, gateway: Gateway) -> None:
    process = start()
    worker = gateway.next()
    assert worker.value("noise") == b'"ok"'
    assert "to stdout" in process.log
    assert "to stderr" in process.log
    assert "raw bytes" in process.log


@pytest.mark.parametrize("what", ["nan", "inf", "object"])
def test_results_without_json_form(worker: Attached, what: str) -> None:
    failure = worker.failure("odd", json.dumps({"what": what}).encode())
    assert failure.kind == Kind.INVALID_RESULT
    words = {"nan": "is NaN", "inf": "$[0] is Infinity", "object": "$ is of type object"}
    assert words[what] in failure.message


def test_results_with_an_obvious_json_form(worker: Attached) -> None:
    assert worker.value("odd", b'{"what":"set"}') == b"[1]"
    assert worker.value("odd", b'{"what":"bytes"}') == b'"YWI="'


def test_a_result_that_fits_into_no_message(worker: Attached) -> None:
    failure = worker.failure("large", b'{"size":1048576}')
    assert failure.kind == Kind.INVALID_RESULT
    assert "1048578 bytes" in failure.message
    assert len(worker.value("large", b'{"size":1048000}')) == 1048002
