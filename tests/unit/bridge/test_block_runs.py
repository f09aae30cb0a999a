"""A block in runs of items: whatever one of them does, each has one answer, in its place, and is run once."""

from __future__ import annotations

import enum
import inspect
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snakepit_bridge import BaseAdapter, CallCancelled, command, jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.arguments import Bound, bind_all
from snakepit_bridge.describe import commands_of
from snakepit_bridge.runtime import blocks
from snakepit_bridge.runtime.blocks import LONGEST, BlockRun, Stride
from snakepit_bridge.runtime.calls import Call, CallTable
from snakepit_bridge.runtime.interrupts import SIGNAL
from snakepit_bridge.runtime.items import Items
from snakepit_bridge.runtime.outbox import Outbox
from snakepit_bridge.runtime.runner import Runner

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Gateway
from tests.unit.bridge.test_worker_blocks import answers, begin

LIMIT = 1 << 20
MANY = 2 * LONGEST
NAN = float("nan")
needs_msgspec = pytest.mark.skipif(jsonio._msgspec is None, reason="msgspec is not installed")


class Way(enum.Enum):
    PLAIN = "plain"


def _raise(error: BaseException) -> Any:
    raise error


ACTS: dict[str, Callable[[], Any]] = {
    "ok": lambda: {"did": "ok"},
    "raises": lambda: _raise(ValueError("no")),
    "type error": lambda: _raise(TypeError("own")),
    "exits": lambda: _raise(SystemExit(3)),
    "keyboard": lambda: _raise(KeyboardInterrupt()),
    "nan": lambda: {"did": NAN},
    "nan inside": lambda: {"did": [1, {"x": float("-inf")}], "null": None},
    "null": lambda: {"did": None},
    "none": lambda: None,
    "named": lambda: {"null": "null"},
    "long": lambda: "x" * 70_000,
    "too long": lambda: "x" * LIMIT,
    "object": lambda: {"did": object()},
    "set": lambda: {7},
    "number": lambda: 1.5,
    "chunks": lambda: iter_of(3),
}
EXPECTED: dict[str, Any] = {
    "ok": {"did": "ok"}, "null": {"did": None}, "none": None, "named": {"null": "null"}, "long": "x" * 70_000,
    "set": [7], "number": 1.5, "chunks": [0, 1, 2],
}  # fmt: skip


def iter_of(count: int) -> Iterator[int]:
    yield from range(count)


class Acts(BaseAdapter):
    """One command for each loop; all do what their argument says."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.call: Call

    def _act(self, what: str) -> Any:
        self.seen.append(what)
        if what.startswith("cancel"):
            self.call.cancelled = True
            try:
                signal.raise_signal(SIGNAL)
            except CallCancelled:
                if what == "cancel":
                    raise
        return ACTS.get(what, ACTS["ok"])()

    @command
    def typed(self, what: str, b: int = 0) -> Any:
        return self._act(what)

    @command
    def general(self, what: Any, b: Any = ()) -> Any:
        return self._act(what)

    @command
    def converted(self, what: str, way: Way = Way.PLAIN) -> Any:
        return self._act(what)


LOOPS = ["typed", "general", "converted", "values"]


def run(loop: str, acts: list[str], *, adapter: Acts | None = None) -> tuple[list[Any], list[int], Acts]:
    """The answers, the positions of those that failed, and the adapter."""
    adapter = adapter or Acts()
    lines = [json.dumps(one if loop == "values" else {"what": one}).encode() for one in acts]
    bound = bind_all(adapter, commands_of(Acts))["typed" if loop == "values" else loop]
    got, failed = block(bound, lines, adapter)
    return got, failed, adapter


def block(
    bound: Bound, lines: list[bytes], adapter: Any, fixed: bytes = b"{}", name: str = "what"
) -> tuple[list[Any], list[int]]:
    spec = pb.Call(id=1, command=bound.command.name, credit_bytes=1 << 30, args=fixed)
    spec.block.lines = b"".join(line + b"\n" for line in lines)
    spec.block.item_argument = name
    outbox = Outbox(pb.FromWorker(), lambda: None)
    outbox.take()
    adapter.call = call = Call(spec, outbox)
    before = signal.getsignal(SIGNAL)
    runner = Runner({}, CallTable(), lambda: LIMIT)
    try:
        BlockRun(call, spec.block, json.loads(fixed), bound, runner).run()
    finally:
        signal.signal(SIGNAL, before)
    got: list[Any] = []
    failed: list[int] = []
    while data := outbox.take():
        for chunk in pb.FromWorker.FromString(data).chunks:
            failed += [len(got) + position for position in chunk.failed]
            got += map(json.loads, chunk.lines.splitlines())
    return got, failed


@needs_msgspec
def test_each_command_has_the_loop_that_it_is_named_after() -> None:
    bound = bind_all(Acts(), commands_of(Acts))
    for name, line in [("typed", b"{}"), ("typed", b'"x"')]:
        items = Items(pb.Block(lines=line + b"\n", item_argument="what"), {})
        assert bound[name].typed(b"{}", items) is not None
    for name in ("general", "converted"):
        assert bound[name].typed(b"{}", Items(pb.Block(lines=b"{}\n"), {})) is None


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("act", ACTS)
def test_whatever_an_item_does_and_wherever_it_is(loop: str, act: str) -> None:
    for position in range(MANY if act not in {"long", "too long"} else 3):
        acts = ["ok"] * position + [act] + ["ok"] * (MANY - position - 1)
        got, failed, adapter = run(loop, acts)
        assert adapter.seen == acts, "each is run once"
        special = got.pop(position)
        assert got == [{"did": "ok"}] * (MANY - 1)
        if act in EXPECTED:
            assert (special, failed) == (EXPECTED[act], [])
        else:
            assert failed == [position]
            handler = act in {"raises", "type error", "exits", "keyboard"}
            assert special["kind"] == ("command_failed" if handler else "invalid_result")


@pytest.mark.parametrize("loop", LOOPS)
def test_all_of_them_one_after_another(loop: str) -> None:
    acts = list(ACTS) * 3
    got, failed, adapter = run(loop, acts)
    assert adapter.seen == acts
    assert failed == [n for n, act in enumerate(acts) if act not in EXPECTED]
    assert [one for n, one in enumerate(got) if n not in failed] == [EXPECTED[act] for act in acts if act in EXPECTED]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("act", ["cancel", "cancel swallowed"])
def test_nothing_is_begun_after_a_cancel(loop: str, act: str) -> None:
    for position in range(MANY):
        adapter = Acts()
        with pytest.raises(CallCancelled):
            run(loop, ["ok"] * position + [act] + ["ok"] * MANY, adapter=adapter)
        assert adapter.seen == ["ok"] * position + [act]


def test_a_cancel_ends_a_run_that_another_thread_sees(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    """The signal finds the main thread between two items as often as within one."""
    note = tmp_path / "note"
    start(f"{COUNTED}:Counted")
    worker = gateway.next()
    lines = [b'{"item":%d}' % n for n in range(200_000)]
    for _ in range(20):
        note.write_text("")
        call = begin(worker, "mark", lines, json.dumps({"note": str(note)}).encode())
        worker.until(lambda call=call: call in worker.counts)  # type: ignore[misc]
        worker.cancel(call)
        assert worker.result(call).failure.kind == pb.Failure.Kind.CANCELLED
        begun = note.read_text().split()
        assert begun == [str(n) for n in range(len(begun))], "each once, in order, up to the cancel"
        assert worker.counts[call] <= len(begun) < 200_000


COUNTED = Path(__file__).parent / "adapters" / "counted.py"


def test_a_child_that_returns_into_a_run_begins_nothing(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    note = tmp_path / "note"
    start(f"{COUNTED}:Counted")
    worker = gateway.next()
    for position in range(100, 100 + LONGEST):
        note.write_text("")
        lines = [b'{"item":%d}' % n for n in range(200)]
        lines[position] = b'{"item":%d,"fork":true}' % position
        got = answers(worker, begin(worker, "mark", lines, json.dumps({"note": str(note)}).encode()))
        assert got == list(range(200))
        worker.ping()
        assert sorted(map(int, note.read_text().split())) == list(range(200))


def test_slow_items_after_quick_ones_are_reported(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    start()
    worker = gateway.next()
    quick, slow = [b'{"seconds":0}'] * 3000, [b'{"seconds":0.002}'] * (LONGEST + 1)
    call = begin(worker, "nap", [*quick, *slow, b'{"seconds":60}', b'{"seconds":60}'])
    worker.until(lambda: worker.counts.get(call) == len(quick) + len(slow))
    worker.cancel(call)
    assert worker.result(call).failure.kind == pb.Failure.Kind.CANCELLED


def test_the_stride_shrinks_at_once_and_grows_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(blocks, "monotonic", lambda: now)
    stride = Stride(LONGEST)
    grown = []
    for _ in range(8):
        now += stride.items * 1e-6
        stride.look(stride.items)
        grown.append(stride.items)
    assert grown == [2, 4, 8, 16, 32, 32, 32, 32]
    now += 32 * 0.01
    stride.look(32)
    assert stride.items == 1
    now += 20e-6
    stride.look(1)
    now += 40e-6
    stride.look(2)
    assert stride.items == 2, "as many as can be expected to take no longer than the time between two looks"


def test_an_answer_is_what_the_value_was_when_the_handler_returned_it() -> None:
    class Reuses(BaseAdapter):
        def __init__(self) -> None:
            self.value: dict[str, Any] = {}

        @command
        def again(self, n: int) -> Any:
            self.value["n"] = n if n % 7 else NAN
            return self.value

    got, failed = block(
        bind_all(Reuses(), commands_of(Reuses))["again"], [b'{"n":%d}' % n for n in range(100)], Reuses()
    )
    assert failed == [n for n in range(100) if n % 7 == 0]
    assert [one["n"] for one in got if "n" in one] == [n for n in range(100) if n % 7]


# ------------------------------------------------------------------------- the typed loop does as the general one


class Signatures(BaseAdapter):
    @command
    def plain(self, a, b=1, *, c=None):  # type: ignore[no-untyped-def]
        return {"a": a, "b": b, "c": c}

    @command
    def types(self, a: float, b: int = 1, c: "str | None" = None) -> Any:  # noqa: UP037
        return {"a": a, "b": b, "c": c}

    @command
    def any_(self, a: Any, b: bool = False, c: "float | None" = None) -> Any:  # noqa: UP037
        return {"a": a, "b": b, "c": c}

    @command
    def none(self) -> Any:
        return {}


numbers = st.sampled_from(["1", "1.0", "-0", "-0.0", "1e3", "1e400", "true", "null", "18446744073709551616", "1" * 400])
scalars = numbers | st.sampled_from(['"x"', '"1"', '"1.5"', '"true"', "[1]", '{"x":1}', '"\\ud83d\\ude00"', "nul", ""])
names = st.sampled_from(["a", "b", "c", "d", "\\u0061", "item", "self"])
objects = st.lists(st.tuples(names, scalars), max_size=4).map(
    lambda members: "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"
)
some_lines = st.lists(objects | scalars, min_size=1, max_size=12)
fixeds = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1, 1.5, True, None, "x", [1], {"y": 1}]), max_size=2)


@settings(max_examples=400, deadline=None)
@given(
    lines=some_lines, fixed=fixeds, name=st.sampled_from(["a", "b", "item"]),
    which=st.sampled_from(["plain", "types", "any_", "none"]),
)  # fmt: skip
def test_no_argument_is_taken_in_another_way(lines: list[str], fixed: dict[str, Any], name: str, which: str) -> None:
    class General(Bound):
        def typed(self, _fixed: bytes, _items: Items) -> None:
            return None

    adapter, spec = Signatures(), commands_of(Signatures)[which]
    data = [line.encode() for line in lines]
    text = json.dumps(fixed).encode()
    quick = block(Bound(adapter, spec), data, adapter, text, name)
    slow = block(General(adapter, spec), data, adapter, text, name)
    assert repr(quick) == repr(slow), "1 is not 1.0, nor True"


def test_without_msgspec_the_general_loop_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonio, "_msgspec", None)
    monkeypatch.setattr("snakepit_bridge.annotations._msgspec", None)
    monkeypatch.setattr(jsonio, "_fast_dumps", None)
    monkeypatch.setattr(jsonio, "quick_dumps", jsonio.dumps)
    monkeypatch.setattr(jsonio, "_fast_loads", jsonio._slow_loads)
    acts = list(ACTS)
    got, failed, adapter = run("typed", acts)
    assert (adapter.seen, len(got)) == (acts, len(acts))
    assert failed == [n for n, act in enumerate(acts) if act not in EXPECTED]


def test_a_signature_that_is_not_that_of_the_code_is_called_with_what_was_given() -> None:
    class Signed(BaseAdapter):
        @command
        def told(self, **given: Any) -> Any:
            return given

        told.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
            inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            inspect.Parameter("a", inspect.Parameter.KEYWORD_ONLY, default=5),
        ])  # fmt: skip

    assert block(bind_all(Signed(), commands_of(Signed))["told"], [b"{}", b'{"a":1}'], Signed())[0] == [{}, {"a": 1}]
