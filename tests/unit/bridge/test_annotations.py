"""Arguments become what the annotations say, with msgspec and without it."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from typing import Any, Literal, Optional, Union

import pytest
from snakepit_bridge import BaseAdapter, CallContext, annotations, arguments, command
from snakepit_bridge.describe import commands_of
from snakepit_bridge.failures import Refusal


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Model:
    """As pydantic's models are, for what the bridge asks of them."""

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        if not isinstance(value, dict):
            raise ValueError("a model is made of an object")  # noqa: TRY004 - as pydantic's errors are
        made = cls()
        vars(made).update(value)
        return made


class Own:
    """A class that no rule can construct."""


class Typed(BaseAdapter):
    @command
    def real(self, it: float) -> Any:
        return it

    @command
    def whole(self, it: int) -> Any:
        return it

    @command
    def truth(self, it: bool) -> Any:
        return it

    @command
    def text(self, it: str) -> Any:
        return it

    @command
    def maybe(self, it: Optional[int] = None) -> Any:  # noqa: UP045
        return it

    @command
    def implicit(self, it: int = None) -> Any:  # type: ignore[assignment]  # noqa: RUF013
        return it

    @command
    def either(self, it: Union[str, list[int]]) -> Any:  # noqa: UP007
        return it

    @command
    def moment(self, it: datetime.datetime) -> Any:
        return it

    @command
    def day(self, it: datetime.date) -> Any:
        return it

    @command
    def file(self, it: pathlib.Path) -> Any:
        return it

    @command
    def money(self, it: decimal.Decimal) -> Any:
        return it

    @command
    def name(self, it: uuid.UUID) -> Any:
        return it

    @command
    def color(self, it: Color) -> Any:
        return it

    @command
    def one_of(self, it: Literal["a", "b", 3]) -> Any:
        return it

    @command
    def reals(self, it: list[float]) -> Any:
        return it

    @command
    def pair(self, it: tuple[int, str]) -> Any:
        return it

    @command
    def days(self, it: dict[str, datetime.date], other: int = 0) -> Any:
        return it

    @command
    def point(self, it: Point) -> Any:
        return it

    @command
    def model(self, it: Model) -> Any:
        return vars(it)

    @command
    def own(self, it: Own) -> Any:
        return it

    @command
    def unknown(self, it: Nowhere) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return it

    @command
    def anything(self, it: Any) -> Any:
        return it


@pytest.fixture(params=["with msgspec", "without msgspec"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without msgspec":
        monkeypatch.setattr(annotations, "_msgspec", None)
    return str(request.param)


def call(name: str, value: Any) -> Any:
    bound = arguments.Bound(Typed(), commands_of(Typed)[name])
    args = {"it": value}
    bound.check(args)
    return bound(args, CallContext(name))


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("real", 2.5, 2.5), ("real", 21, 21), ("whole", 21, 21), ("truth", True, True), ("text", "21", "21"),
        ("maybe", None, None), ("maybe", 3, 3), ("implicit", None, None), ("either", "x", "x"), ("either", [1], [1]),
        ("moment", "2026-01-02T03:04:05Z", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)),
        ("day", "2026-01-02", datetime.date(2026, 1, 2)),
        ("file", "a/b", pathlib.Path("a/b")), ("money", "1.10", decimal.Decimal("1.10")),
        ("name", "00000000-0000-0000-0000-000000000001", uuid.UUID(int=1)), ("color", "red", Color.RED),
        ("one_of", "b", "b"), ("one_of", 3, 3), ("reals", [1, 2.5], [1, 2.5]), ("pair", [1, "x"], (1, "x")),
        ("days", {"a": "2026-01-02"}, {"a": datetime.date(2026, 1, 2)}), ("point", {"x": 1}, Point(1)),
        ("model", {"a": 1}, {"a": 1}), ("own", [1], [1]), ("unknown", {"a": 1}, {"a": 1}), ("anything", [None], [None]),
    ],
)  # fmt: skip
def test_what_fits_is_converted(name: str, value: Any, wanted: Any) -> None:
    got = call(name, value)
    assert (got, type(got)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("real", "fast", '`it` must be float, not "fast"'), ("whole", 2.5, "must be int, not 2.5"),
        ("truth", [], "must be bool"), ("text", 5, "must be str, not 5: write it=5"), ("whole", None, "not null"),
        ("maybe", "x", "must be"), ("moment", "soon", "not \"soon\""), ("money", "much", "not \"much\""),
        ("color", "green", 'must be one of "red", "blue", not "green"'),
        ("one_of", "c", 'must be one of "a", "b", 3, not "c"'), ("reals", [1, "x"], "must be list[float]"),
        ("pair", [1], "must be tuple[int, str]"), ("days", ["2026"], "must be dict[str"), ("point", {}, "Point"),
        ("point", 5, "Point, not 5"), ("model", 5, "Model, not 5"), ("file", 5, "Path, not 5"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(name: str, value: Any, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        call(name, value)
    assert words in str(refused.value)


@pytest.mark.parametrize(("name", "number"), [("real", 21), ("whole", 21), ("truth", True)])
def test_text_for_a_number(name: str, number: Any) -> None:
    """msgspec reads it; without it the caller is told how to write it."""
    text = str(number).lower()
    if annotations._msgspec is not None:
        assert call(name, text) == number
    else:
        with pytest.raises(Refusal, match=f"write it:={text}"):
            call(name, text)
