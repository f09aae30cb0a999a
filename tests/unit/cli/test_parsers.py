"""The two parsers of the command line agree: the fast one declines, or asks for exactly the same."""

from __future__ import annotations

import inspect
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snakepit_cli import fast
from snakepit_cli.cli import app, mapping
from snakepit_cli.cli.output import state_results
from snakepit_cli.cli.verbs import exec_
from snakepit_cli.client.call.request import Request
from snakepit_cli.client.call.state_query import StateQuery

PERFORM = mapping.perform
WORDS = [
    "ping", "echo", "a=1", "b:=2", "c:=[1,{}]", "=x", "k=", "k:=", "a=@", "a=\\@x", "é=ü", "\udcff", "a=\udcff", "",
    "-", "--", "---", "-x", "-5", "exec", "stream", "status", "none", "bar", "auto", "default",
    "--json", "--json=1", "--raw", "--no-json", "--field", "--field=a.b", "--field=", "--jso", "--help",
    "-h", "--version",
    "--args", "--args={}", '{"z":1}', "[]", "--pool", "--pool=gpu", "--pool=", "-p", "gpu", "no such!", "x" * 40,
    "--session", "--session=s", "--timeout", "--timeout=1m", "--timeout=x", "30", "250ms", "1e5", "9" * 400,
    "--timeout=0", "--nan", "--nan=null", "--nan=odd", "--meta", "--meta=a=b", "--meta=é=ü", "--meta==", "--meta=a",
    "--meta=a=",
    "x@=", "x@=-", "x@=nothing.npy", "-o", "-of", "-o=f", "--output-file", "--output-file=", "--output-file=f.npy",
    "--progress", "--progress=none", "--progress=bar", "--progress=odd",
    "-L", "-Lci", "-L=ci", "--instance", "--instance=ci", "--instance=", "-q", "--quiet", "--quiet=1", "--no-start",
    "--debug", "--color", "--color=never", "--color=auto", "--color=odd", "-qL", "-Lq",
]  # fmt: skip
argvs = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=7),
    st.builds(
        lambda before, verb, rest: [*before, verb, *rest],
        st.lists(st.sampled_from(["-q", "-L", "ci", "--no-start", "--instance=x"]), max_size=2),
        st.sampled_from(["exec", "stream"]),
        st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6).filter(lambda t: "\0" not in t)), max_size=7),
    ),
)


def everything(request: Request) -> dict[str, Any]:
    facts = {name: getattr(request, name) for name in Request.__slots__ if name not in {"shared", "_frame"}}
    facts |= {name: getattr(request.shared, name) for name in type(request.shared).__slots__}
    try:
        facts["frame"] = request.frame()
    except Exception as error:  # noqa: BLE001 — a file that is missing, JSON that is none: then both must say so
        facts["frame"] = f"{type(error).__name__}: {error}"
    return facts


@given(argvs)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parsers_agree(monkeypatch: pytest.MonkeyPatch, argv: list[str]) -> None:
    light = fast.parse(argv)
    if light is None:
        return
    heavy: list[Request] = []
    monkeypatch.setattr(exec_, "perform", lambda request: heavy.append(request) or 0)
    assert app._dispatch(argv) == 0
    assert everything(light) == everything(heavy[0])


@pytest.mark.parametrize(
    "argv",
    [
        ["exec", "ping"],
        ["stream", "count", "n:=3"],
        ["-L", "ci", "exec", "ping", "--json"],
        ["exec", "--args", "{}", "ping", "--", "--odd=1"],
        ["stream", "x", "--progress", "none"],
        ["exec", "x", "--field", "a", "--raw", "-q"],
        ["exec", "x", "--timeout=2m", "--pool", "gpu", "--session", "s"],
        ["exec", "x", "--meta", "a=b", "--meta=c=d=e"],
        ["exec", "x", "--nan", "null"],
    ],
)
def test_plain_forms_are_fast(argv: list[str]) -> None:
    assert fast.parse(argv) is not None


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["status"],
        ["exec"],
        ["exec", "ping", "--help"],
        ["exec", "ping", "--bogus"],
        ["stream", "x", "--progress"],
        ["exec", "ping", "--debug"],
        ["exec", "ping", "--color", "always"],
        ["exec", "ping", "--pool"],
        ["exec", "ping", "--timeout", "soon"],
        ["exec", "ping", "--json", "--raw"],
        ["exec", "ping", "-L", "no such"],
        ["exec", "ping", "--progress=none"],
    ],
)
def test_odd_forms_are_not(argv: list[str]) -> None:
    assert fast.parse(argv) is None


MAP_WORDS = [
    *WORDS, "--input", "--input=f", "--output=-", "--output", "--arg", "--arg=x", "--lines", "--unordered", "--ordered",
    "--no-lines", "--envelope", "--on-error=stop", "--max-failures=3", "--retries", "--joblog=l", "--joblog",
    "--resume", "--resume-failed",
]  # fmt: skip


@given(st.lists(st.sampled_from(MAP_WORDS), max_size=7))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parsers_of_map_agree(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    argv = ["map", *words]
    light = fast.parse_map(argv)
    if light is None:
        return
    shared, command, items, given = light
    heavy: list[tuple[Any, ...]] = []
    monkeypatch.setattr(mapping, "perform", lambda *args, **more: heavy.append((*args, more)) or 0)
    assert app._dispatch(argv) == 0
    [(its_shared, *rest, more)] = heavy
    assert rest == [command, items]
    defaults = {
        name: one.default for name, one in inspect.signature(PERFORM).parameters.items() if one.kind is one.KEYWORD_ONLY
    }
    assert {**defaults, **given} == more
    assert all(getattr(shared, name) == getattr(its_shared, name) for name in type(shared).__slots__)


STATE_WORDS = [
    *WORDS, "t", "0.9", "-0.5", "-.5", "-x", "--", "--session=s2", "--expect", "--expect=3", "--expect=x", "--string",
    "--json-value", "--no-create", "--no-string", "-1", '"a"',
]  # fmt: skip


@given(st.sampled_from(["var get", "var set", "session exists"]), st.lists(st.sampled_from(STATE_WORDS), max_size=6))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parsers_of_variables_agree(monkeypatch: pytest.MonkeyPatch, verb: str, words: list[str]) -> None:
    """The fast one declines, raises the same error, or asks for exactly the same."""
    argv = [*verb.split(), *words]
    asked: list[dict[str, Any]] = []

    def perform(_: object, query: StateQuery) -> int:
        shared = {name: getattr(query.shared, name) for name in type(query.shared).__slots__}
        asked.append({**vars(query), "shared": shared})
        return 0

    monkeypatch.setenv("SNAKEPIT_SESSION", "s1")
    monkeypatch.setattr(state_results, "perform", perform)
    for opening in (
        "snakepit_cli.fast.nearby",
        "snakepit_cli.cli.verbs.var.opened",
        "snakepit_cli.cli.verbs.session.opened",
    ):
        monkeypatch.setattr(opening, lambda *_, **__: io.BytesIO())
    errors = []
    for path in (fast._state, app._dispatch):
        try:
            if path(argv) is None:
                return
        except Exception as error:  # noqa: BLE001 — a file that is missing, JSON that is none: then both must say so
            errors.append(f"{type(error).__name__}: {error}")
    assert len(asked) + len(errors) == 2
    assert asked[1:] == asked[:1] or not asked
    assert errors[1:] == errors[:1] or not errors
