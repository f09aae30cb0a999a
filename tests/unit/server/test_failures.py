"""From the words of workers, templates, warden and core into those of the error table."""

from __future__ import annotations

import pytest

from snakepit_cli.base.errors import KINDS
from snakepit_cli.core.events import Failure
from snakepit_cli.server.calls import error_mapping
from snakepit_cli.wire import worker_pb2 as pb

Kind = pb.Failure.Kind


@pytest.mark.parametrize("name", [name for name in Kind.keys() if name not in {"KIND_UNSPECIFIED", "RECALLED"}])  # noqa: SIM118 — no dict
def test_every_kind_of_the_contract_is_in_the_table(name: str) -> None:
    error = error_mapping.of_worker(pb.Failure(kind=Kind.Value(name), message="why"), "python")
    assert error.kind == name.lower()
    assert error.kind in KINDS


@pytest.mark.parametrize("number", [0, 99])
def test_a_kind_of_a_later_contract_means_that_the_handler_failed(number: int) -> None:
    said = pb.Failure.FromString(pb.Failure(message="why").SerializeToString() + bytes([8, number]))
    assert error_mapping.of_worker(said, "python").kind == "command_failed"


def test_what_a_handler_raised_is_told_whole() -> None:
    said = pb.Failure(kind=Kind.COMMAND_FAILED, type="KeyError", message="'a'", traceback="line 1\nline 2")
    error = error_mapping.of_worker(said, "python", worker="default-1")
    assert error.message == "KeyError: 'a'"
    assert error.detail == {
        "type": "KeyError", "traceback": "line 1\nline 2", "language": "python", "worker": "default-1",
    }  # fmt: skip


def test_an_exception_without_a_message_has_its_name() -> None:
    error = error_mapping.of_worker(pb.Failure(kind=Kind.COMMAND_FAILED, type="StopIteration"), "python")
    assert error.message == "StopIteration"


def test_what_is_no_exception_has_no_language() -> None:
    error = error_mapping.of_worker(pb.Failure(kind=Kind.COMMAND_NOT_FOUND, message="no command `a`"), "python")
    assert (error.message, error.detail) == ("no command `a`", {})


def test_there_and_back_through_the_core() -> None:
    error = error_mapping.of_worker(pb.Failure(kind=Kind.ADAPTER_FAILED, type="OSError", message="no"), "python")
    again = error_mapping.of_core(error_mapping.as_core(error))
    assert again.as_dict() == error.as_dict()


@pytest.mark.parametrize("absent", [{}, {"type": None, "message": None, "traceback": None}])
def test_what_a_template_says(absent: dict[str, None]) -> None:
    assert error_mapping.of_template({"kind": "adapter_not_found", **absent}, "python").kind == "adapter_not_found"
    told = {"kind": "adapter_failed", "type": "ImportError", "message": "no", "traceback": "line"}
    failure = error_mapping.of_template(told, "python")
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.message) == ("adapter_failed", "ImportError: no")
    assert dict(failure.detail) == {"type": "ImportError", "traceback": "line", "language": "python"}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"code": 0}, "exited with status 0"),
        ({"code": 7}, "exited with status 7"),
        ({"code": -9}, "was killed by SIGKILL"),
        ({"code": -11}, "was killed by SIGSEGV"),
        ({"code": -63}, "was killed by signal 63"),
        ({"reason": "is not wanted any more", "code": 0}, "is not wanted any more"),
    ],
)
def test_how_a_worker_ended(message: dict[str, object], words: str) -> None:
    assert error_mapping.how_it_ended(message) == words


@pytest.mark.parametrize(
    ("message", "attached", "said"),
    [
        ({"code": 3}, False, "worker p-1 exited with status 3 before it was ready"),
        ({"code": 3}, True, "worker p-1 exited with status 3"),
        ({"reason": "cannot be started: (start the server again)"}, False,
         "worker p-1 cannot be started: (start the server again)"),
    ],
)  # fmt: skip
def test_only_what_ran_can_end_before_it_was_ready(message: dict[str, object], attached: bool, said: str) -> None:
    assert error_mapping.of_exit("p-1", {"log": [], **message}, attached=attached).message == said


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({}, "the template could not be used"),
        ({"reason": "it is gone"}, "it is gone"),
        ({"reason": "a thread", "threads": ["poller", 17, "poller"]}, "a thread (poller, 17)"),
    ],
)
@pytest.mark.parametrize("advice", ["", "do this"])
def test_why_workers_start_cold(message: dict[str, object], words: str, advice: str) -> None:
    what = f"{words}: each worker imports the adapter by itself, so it starts later, but calls are as fast"
    assert error_mapping.why_cold({**message, "advice": advice}) == (f"{what}; {advice}" if advice else what)
