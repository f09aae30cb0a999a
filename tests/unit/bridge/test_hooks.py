"""Hooks around another program: what each is asked, and what happens when one is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.adapters.hooks import Hooks, Program

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Attached, Gateway

Kind = pb.Failure.Kind
HOOKS = Path(__file__).parent / "adapters" / "hooks.py"


@pytest.fixture
def hooked(start: Start, gateway: Gateway) -> Attached:
    start(str(HOOKS))
    return gateway.next()


def test_calls_pass_through_the_hooks(hooked: Attached) -> None:
    assert {"echo", "count", "slow hook"} <= {spec.name for spec in hooked.hello.commands}
    assert json.loads(hooked.value("echo", b'{"a":1}')) == {"said": {"a": 1, "prepared": True}}
    assert json.loads(hooked.value("count", b'{"n":2}')) == [{"said": 0}, {"said": 1}]
    refused = hooked.failure("echo", b'{"secret":1}')
    assert (refused.kind, refused.message) == (Kind.INVALID_ARGUMENTS, "`echo` takes no `secret`")


def test_what_the_program_says_went_wrong(hooked: Attached) -> None:
    odd = hooked.failure("fail", b'{"why":"because"}')
    assert (odd.kind, odd.type, odd.message) == (Kind.COMMAND_FAILED, "OddError", "because")
    assert hooked.failure("old").message == "as ever"
    assert "ended with status 3" in hooked.failure("leave").message
    assert json.loads(hooked.value("echo")) == {"said": {"prepared": True}}, "it is started again"


def test_a_hook_that_is_wrong_or_slow_harms_its_call_only(hooked: Attached) -> None:
    assert hooked.failure("bad hook").type == "LookupError"
    late = hooked.failure("nap", b'{"seconds":600}')
    assert (late.type, "has not answered `nap` in time" in late.message) == ("TimeoutError", True)
    call = hooked.new_call("slow hook", b"{}")
    hooked.say(calls=[call])
    hooked.say(cancels=[pb.Cancel(id=call.id)])
    assert hooked.result(call.id).failure.kind == Kind.CANCELLED
    assert json.loads(hooked.value("echo")) == {"said": {"prepared": True}}


class Silent(Hooks):
    """Of a program that answers nothing."""

    def executable_path(self) -> str:
        return sys.executable

    def script_path(self) -> None:
        return None

    def script_args(self) -> list[str]:
        return ["-c", "input(); input()"]


def test_a_program_that_was_late_is_never_asked_again() -> None:
    """Not even while its death takes its time."""
    program = Program(Silent())
    with pytest.raises(TimeoutError):
        list(program.ask("anything", {}, 0.0))
    assert program.ended
    program.close()
