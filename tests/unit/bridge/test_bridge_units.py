"""Reading adapters, references, arguments and JSON, without any process."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakepit_bridge import BaseAdapter, CallContext, command, jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.arguments import Bound, bind_all
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.describe import commands_of
from snakepit_bridge.failures import Refusal, from_exception
from snakepit_bridge.resolve import resolve
from snakepit_bridge.runtime.blocks import BlockRun
from snakepit_bridge.runtime.calls import Call, CallTable
from snakepit_bridge.runtime.interrupts import SIGNAL
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.runner import Runner

Kind = pb.Failure.Kind


# ------------------------------------------------------------------------------------------------ describe


class Shapes:
    def execute_named(self, a, b: "int" = 2, *, c: Optional[str] = None): ...  # noqa: UP037, UP045
    def execute_whole(self, data): ...
    def execute_typed(self, anything: dict[str, Any]): ...
    def execute_text(self, args: str): ...
    def execute_two(self, args, other): ...
    def execute_open(self, a, **rest): ...
    def execute_context(self, args: dict, where: "CallContext | None" = None): ...  # noqa: UP037
    @staticmethod
    def execute_static(x): ...
    @classmethod
    def execute_class(cls, x): ...
    def execute_(self): ...
    def helper(self): ...
    @command("other-name")
    def renamed(self) -> Iterator[int]: ...


def test_shapes() -> None:
    found = commands_of(Shapes)
    assert list(found) == [
        "named", "whole", "typed", "text", "two", "open", "context", "static", "class", "other-name",
    ]  # fmt: skip
    assert {name for name, one in found.items() if one.whole} == {"typed", "context"}
    assert {name for name, one in found.items() if one.open} == {"typed", "context", "open"}
    assert [p.name for p in found["whole"].to_spec().parameters] == ["data"], "a name says nothing"
    assert found["context"].context == "where"
    assert found["other-name"].streaming
    types = {p.name: p.type for p in found["named"].to_spec().parameters}
    assert types["b"] == "int"
    assert [p.name for p in found["static"].to_spec().parameters] == ["x"]
    assert [p.name for p in found["class"].to_spec().parameters] == ["x"]


def test_overrides_stay_commands_and_clashes_are_errors() -> None:
    class Base(BaseAdapter):
        @command("go")
        def run(self) -> int:
            return 1

    class Child(Base):
        def run(self) -> int:
            return 2

    class Clash(Base):
        def execute_go(self) -> int:
            return 3

    assert commands_of(Child)["go"].attribute == "run"
    with pytest.raises(ValueError, match="defined twice"):
        commands_of(Clash)


def call(adapter: Any, name: str, args: dict[str, Any]) -> Any:
    bound = Bound(adapter, commands_of(type(adapter))[name])
    bound.check(args)
    return bound(args, CallContext(name))


def test_positional_only_and_defaults() -> None:
    class Adapter:
        def execute_f(self, a, b=2, /, c=3, *, d=4):
            return [a, b, c, d]

    assert call(Adapter(), "f", {"a": 1}) == [1, 2, 3, 4]
    assert call(Adapter(), "f", {"d": 0, "a": 1, "b": 9}) == [1, 9, 3, 0]
    with pytest.raises(Refusal, match="missing argument `a`"):
        call(Adapter(), "f", {})


# ------------------------------------------------------------------------------------------------ resolve


@pytest.fixture
def fresh_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.mark.usefixtures("fresh_imports")
def test_references(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mod.py").write_text("class One:\n    def execute_x(self): ...\nclass Helper: ...\n")
    (tmp_path / "two.py").write_text("class A:\n    def execute_x(self): ...\nclass B:\n    def execute_x(self): ...\n")
    cwd = str(tmp_path)
    assert resolve("showcase").__name__ == "ShowcaseAdapter"
    for reference in (
        "pkg.mod:One",
        "pkg.mod.One",
        "python:pkg.mod:One",
        "pkg/mod.py:One",
        "pkg/mod.py",
        f"{package}/mod.py",
    ):
        assert resolve(reference, cwd).__name__ == "One"
    expect = {
        "two.py": "several adapters",
        "pkg.mod:Onne": "did you mean `One`",
        "pkg.nothing:One": "no module `pkg.nothing`",
        "nothing.pkg:One": "no module `nothing`",
        "pkg/modd.py": "did you mean `mod.py`",
        "thing": "package.module:Class",
    }
    for reference, words in expect.items():
        with pytest.raises(Refusal, match=words) as caught:
            resolve(reference, cwd)
        assert caught.value.failure.kind == Kind.ADAPTER_NOT_FOUND


@pytest.mark.usefixtures("fresh_imports")
def test_a_file_saved_twice_in_a_second_is_loaded_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "mine.py"
    for version in "12":
        file.write_text(f"class Mine:\n    version = {version}\n    def execute_x(self): ...\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        assert vars(resolve("mine.py:Mine", str(tmp_path)))["version"] == int(version)


# ------------------------------------------------------------------------------------------------ JSON


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date


class Colour(enum.Enum):
    RED = "red"


class Array:
    """Imitates numpy."""

    def tolist(self) -> list[int]:
        return [1, 2]


FORMS: list[tuple[Any, str]] = [
    (Point(1, datetime.date(2024, 2, 3)), '{"x":1,"when":"2024-02-03"}'),
    (Colour.RED, '"red"'),
    ((1, 2), "[1,2]"),
    ({7}, "[7]"),
    (b"ab", '"YWI="'),
    (decimal.Decimal("1.50"), '"1.50"'),
    (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (Path("/a/b"), '"/a/b"'),
    (datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), '"2024-01-02T03:04:05Z"'),
    (datetime.timedelta(days=1, seconds=2, microseconds=500_000), '"P1DT2.5S"'),
    (datetime.timedelta(0), None),  # type: ignore[list-item]
    (Array(), "[1,2]"),
    ({"a": None}, '{"a":null}'),
    (2**80, str(2**80)),
    ("zwölf\n", '"zwölf\\n"'),
]


@pytest.mark.parametrize("value", FORMS, ids=lambda one: type(one[0]).__name__)
@pytest.mark.parametrize("write", [jsonio.dumps, jsonio.slow_dumps])
def test_json_forms_with_and_without_msgspec(value: tuple[Any, str | None], write: Callable[[Any], bytes]) -> None:
    thing, text = value
    data = write([thing])
    assert data == jsonio.slow_dumps([thing])
    if text is not None:
        assert data.decode() == f"[{text}]"


class Loop(list):  # type: ignore[type-arg]
    def __init__(self) -> None:
        super().__init__()
        self.append(self)


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": -math.inf}, object(), {(1, 2): 3}, Loop(), "\ud800"])
@pytest.mark.parametrize("write", [jsonio.dumps, jsonio.slow_dumps])
def test_no_json_form(value: Any, write: Callable[[Any], bytes]) -> None:
    with pytest.raises(jsonio.NoJsonForm):
        write(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), JSON))
def test_json_round_trip(value: dict[str, Any]) -> None:
    for write in (jsonio.dumps, jsonio.slow_dumps):
        data = write(value)
        assert b"\n" not in data
        assert json.loads(data) == value
        assert jsonio.loads_object(data) == value
        assert jsonio._slow_loads(data) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = jsonio.loads_object(data)
    except jsonio.InvalidJson:
        return
    assert isinstance(value, dict)


def test_failures_are_bounded_and_sendable() -> None:
    reason = from_exception(ValueError("x\ud800" * 100_000), Kind.COMMAND_FAILED)
    assert len(reason.SerializeToString()) < 2_000_000
    assert "cut" in reason.message


class Sums(BaseAdapter):
    def __init__(self) -> None:
        self.seen: list[int] = []

    @command
    def add(self, a: Any, b: Any = 0) -> dict[str, int]:
        self.seen.append(a)
        return {"sum": a + b}


def run_block(adapter: Sums, lines: bytes, outbox: Outbox, *, cancelled: bool = False) -> None:
    bound = bind_all(adapter, commands_of(Sums))["add"]
    spec = pb.Call(id=1, command="add", credit_bytes=1 << 20)
    spec.block.lines = lines
    call = Call(spec, outbox)
    call.cancelled = cancelled
    before = signal.getsignal(SIGNAL)
    runner = Runner({}, CallTable(), lambda: 1 << 20)
    try:
        BlockRun(call, spec.block, {}, bound, runner).run()
    finally:
        signal.signal(SIGNAL, before)


def test_a_cancel_between_two_items_is_seen_before_the_next() -> None:
    adapter = Sums()
    with pytest.raises(CallCancelled):
        run_block(adapter, b'{"a":1}\n', Outbox(pb.FromWorker(), lambda: None), cancelled=True)
    assert adapter.seen == []


def test_arguments_that_do_not_fit_are_told_from_a_handler_that_fails() -> None:
    outbox = Outbox(pb.FromWorker(), lambda: None)
    outbox.take()
    run_block(Sums(), b'{"a":1}\n{"b":1}\n{"a":1,"c":2}\n{"a":1,"b":"x"}\n{"a":2,"b":3}\n', outbox)
    answers: list[bytes] = []
    failed: list[int] = []
    while data := outbox.take():  # on a slow machine they leave in several chunks
        for chunk in pb.FromWorker.FromString(data).chunks:
            failed += [len(answers) + position for position in chunk.failed]
            answers += chunk.lines.splitlines()
    first, missing, unknown, own, last = map(json.loads, answers)
    assert (first, last) == ({"sum": 1}, {"sum": 5})
    assert failed == [1, 2, 3]
    assert missing["message"].startswith("`add`: missing argument `a`")
    assert unknown["message"].startswith("`add`: unknown argument `c`")
    assert own["type"] == "TypeError"
