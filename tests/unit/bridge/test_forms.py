"""What becomes of results that JSON cannot hold, with msgspec and without."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import enum
import math
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snakepit_bridge import forms, jsonio, jsonparts, parts, places

SECRET = "hunter2"


class Secretive:
    """A `repr` that must not be seen."""

    def __repr__(self) -> str:
        return SECRET


class Model:
    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, *, mode: str) -> Any:
        return {**self.fields, "mode": mode}

    def to_dict(self) -> Any:
        raise AssertionError("model_dump comes first")


class OldModel:
    def model_dump(self) -> Any:
        return {"old": True}


class Plain:
    def __init__(self, form: Any) -> None:
        self.form = form


class ToDict(Plain):
    def to_dict(self) -> Any:
        return self.form

    def _asdict(self) -> Any:
        raise AssertionError("to_dict comes first")


class AsDict(Plain):
    def _asdict(self) -> Any:
        return self.form

    def tolist(self) -> Any:
        raise AssertionError("_asdict comes first")


class ToList(Plain):
    size = 3

    def tolist(self) -> Any:
        return self.form

    def isoformat(self) -> str:
        raise AssertionError("tolist comes first")


class Iso:
    def isoformat(self) -> str:
        return "2024"


class Frame:
    """As pandas.DataFrame."""

    def iterrows(self) -> None: ...

    def to_dict(self, orient: str = "dict") -> Any:
        return [{"a": 1}, {"a": math.nan}] if orient == "records" else {"a": {0: 1}}


class PolarsFrame:
    def to_dicts(self) -> Any:
        return [{"a": 1}]

    def to_dict(self) -> Any:
        raise AssertionError("rows, not columns")


class Scalar(float):
    """As numpy.float64."""

    def __repr__(self) -> str:
        return f"Scalar({float(self)})"


class Column(str):
    __slots__ = ()


class NaTType:
    """As pandas.NaT."""

    def isoformat(self) -> str:
        return "NaT"


class Itself:
    def to_dict(self) -> Any:
        return self


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: Any


Pair = collections.namedtuple("Pair", "a b")

FORMS: list[tuple[Any, str]] = [
    (Model(a=1), '{"a":1,"mode":"json"}'),
    (OldModel(), '{"old":true}'),
    (ToDict({"k": [AsDict({"x": 1})]}), '{"k":[{"x":1}]}'),
    (ToList([1, [2]]), "[1,[2]]"),
    (Iso(), '"2024"'),
    (PolarsFrame(), '[{"a":1}]'),
    (Scalar(1.5), "1.5"),
    ({Column("k"): Column("v")}, '{"k":"v"}'),
    (Level.HIGH, "3"),
    (Point(Point(datetime.timedelta(seconds=90))), '{"x":{"x":"PT90S"}}'),
    (Pair(1, 2), "[1,2]"),
    (collections.deque([1, 2]), "[1,2]"),
    (collections.OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
    (range(3), "[0,1,2]"),
    (frozenset([1]), "[1]"),
    (ValueError("no way"), '{"type":"ValueError","message":"no way"}'),
    ({uuid.UUID(int=1): 1, Path("/a"): 2}, '{"00000000-0000-0000-0000-000000000001":1,"/a":2}'),
]


def beside_parts(value: Any, **how: Any) -> bytes:
    """For a caller that takes messages with parts: nothing here is one."""
    found: list[Any] = []
    text = jsonparts.dumps(value, found, **how)
    assert not found
    return text


WRITERS: list[Callable[..., bytes]] = [jsonio.dumps, jsonio.slow_dumps, beside_parts]


@pytest.mark.parametrize("value", [b"ab", bytearray(b"ab"), memoryview(b"ab"), parts.Binary(b"ab", "a/b")])
@pytest.mark.parametrize("write", [jsonio.dumps, jsonio.slow_dumps])
def test_bytes_are_base64(value: Any, write: Callable[..., bytes]) -> None:
    assert write([value]) == b'["YWI="]'


BYTES: list[tuple[Any, str]] = [
    (b"ab", "#0"),
    ({"a": [1, {"b": b"ab"}], "c": bytearray(b"ab")}, '{"a":[1,{"b":#0}],"c":#1}'),
    ([1, (2, [b"ab"])], "[1,[2,[#0]]]"),
    (Point(b"ab"), '{"x":#0}'),
    (Pair(1, b"ab"), "[1,#0]"),
    (collections.deque([b"ab"]), "[#0]"),
    (ToDict({"k": b"ab"}), '{"k":#0}'),
    ([ToList([b"ab"]), ToDict({1: b"ab"})], '[[#0],{"1":#1}]'),
    ({1: b"ab", Column("k"): 1.5}, '{"1":#0,"k":1.5}'),
    ([None, b"ab"], "[null,#0]"),
    ([array.array("b", b"ab"), b"ab"], '[{"$binary":0,"dtype":"int8","shape":[2]},#1]'),
    ([None, array.array("b", b"ab")], '[null,{"$binary":0,"dtype":"int8","shape":[2]}]'),
]


@pytest.mark.parametrize(("value", "text"), BYTES, ids=[text for _, text in BYTES])
@pytest.mark.parametrize("without_msgspec", [False, True])
def test_bytes_are_parts_for_who_takes_them(
    value: Any, text: str, without_msgspec: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without_msgspec:
        monkeypatch.setattr(jsonparts, "_msgspec", None)
    found: list[Any] = []
    wanted = re.sub(r"#(\d)", r'{"$binary":\1}', text)
    assert jsonparts.dumps(value, found).decode() == wanted
    assert [bytes(one) for one in found] == [b"ab"] * len(found)
    again: list[Any] = [b"before"]
    text_again = jsonparts.dumps([math.nan, value], again, nan_is_null=True)
    assert text_again.count(b'"$binary":') == len(found) == len(again) - 1


def test_nan_beside_parts_is_refused_with_its_place() -> None:
    with pytest.raises(jsonio.NoJsonForm, match=r"^\$\[2\] is NaN"):
        jsonparts.dumps([array.array("d", [math.nan]), None, math.nan], [])


def test_arrays_elsewhere_are_refused_with_their_place() -> None:
    cuda = type("Tensor", (), {"__dlpack__": None, "__dlpack_device__": lambda _: (2, 0)})()
    with pytest.raises(jsonio.NoJsonForm, match=r"^\$\.a\[0\] is an array on CUDA; move it"):
        jsonparts.dumps({"a": [cuda]}, [])


@pytest.mark.parametrize(("value", "text"), FORMS, ids=[type(value).__name__ for value, _ in FORMS])
@pytest.mark.parametrize("write", WRITERS)
def test_what_has_a_form(value: Any, text: str, write: Callable[..., bytes]) -> None:
    assert write(value).decode() == text


def circle() -> Any:
    inner: dict[str, Any] = {}
    value = {"a": [1, inner]}
    inner["back"] = value
    return value


def deep() -> Any:
    value: Any = 0
    for _ in range(50_000):
        value = [value]
    return value


REFUSED: list[tuple[Any, str]] = [
    ({"scores": [1, 2, 3, math.nan, math.inf]}, "$.scores[3] is NaN, which JSON cannot hold (`--nan null`"),
    ([{"a b": -math.inf}], '$[0]["a b"] is -Infinity, which'),
    (Point([None, math.inf]), "$.x[1] is Infinity, which"),
    ({"n": None, "frame": Frame()}, "$.frame[1].a is NaN, which"),
    ([None, Scalar("nan")], "$[1] is NaN, which"),
    ([NaTType()], "$[0] is NaN, which"),
    ({"model": [Secretive()]}, f"$.model[0] is of type {__name__}.Secretive, which has no JSON form"),
    (ToDict({"inner": Secretive()}), f"$.inner is of type {__name__}.Secretive, which"),
    (AsDict(Secretive()), f"$ is of type {__name__}.Secretive, which"),
    (Itself(), f"$ is of type {__name__}.Itself, which has no JSON form"),
    (Secretive, "$ is of type type, which has no JSON form"),
    ({"f": (one for one in [1])}, "$.f is of type generator, which has no JSON form; yield its elements"),
    ({"f": len}, "$.f is of type builtin_function_or_method, which has no JSON form; call it"),
    ({"ok": {(1, 2): 3}}, "$.ok has a key of type tuple; the keys of a JSON object are strings"),
    ({"t": ["\ud800"]}, "$.t[0] holds half of a surrogate pair, which UTF-8 cannot hold"),
    ({"\ud800": 1}, "$ has a key that holds half of a surrogate pair"),
    (circle(), "$.a[1].back is $ again: the value contains itself"),
    (deep(), "] is nested more than 900 levels deep"),
]


@pytest.mark.parametrize(("value", "words"), REFUSED, ids=[words[:30] for _, words in REFUSED])
@pytest.mark.parametrize("write", WRITERS)
def test_what_has_none_is_named_with_its_place(value: Any, words: str, write: Callable[..., bytes]) -> None:
    with pytest.raises(jsonio.NoJsonForm) as caught:
        write(value)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 500


NULLED = [
    ({"scores": [1.5, math.nan], "n": None}, '{"scores":[1.5,null],"n":null}'),
    (Point({"deep": (math.inf, -math.inf)}), '{"x":{"deep":[null,null]}}'),
    (Frame(), '[{"a":1},{"a":null}]'),
    ([Scalar("nan"), NaTType()], "[null,null]"),
    (math.nan, "null"),
]


@pytest.mark.parametrize(("value", "text"), NULLED, ids=[type(value).__name__ for value, _ in NULLED])
@pytest.mark.parametrize("write", WRITERS)
def test_nan_is_null_when_that_is_wanted(value: Any, text: str, write: Callable[..., bytes]) -> None:
    assert write(value, nan_is_null=True).decode() == text


@pytest.mark.parametrize("write", WRITERS)
def test_nothing_else_is_let_through_with_nan(write: Callable[..., bytes]) -> None:
    with pytest.raises(jsonio.NoJsonForm, match=r"\$\[1\] is of type .*Secretive"):
        write([math.nan, Secretive()], nan_is_null=True)


def raising(name: str) -> Any:
    def method(_self: Any) -> Any:
        raise KeyError(SECRET)

    return type("Broken", (), {name: method})()


@pytest.mark.parametrize("name", ["to_dict", "_asdict", "tolist", "isoformat", "model_dump"])
@pytest.mark.parametrize("write", WRITERS)
def test_a_method_that_raises_is_named_and_what_it_says_is_not(name: str, write: Callable[..., bytes]) -> None:
    with pytest.raises(jsonio.NoJsonForm, match=rf"^\$\[0\] .*Broken, whose {name}\(\) raised (Key|Type)Error$"):
        write([raising(name)])


@pytest.mark.parametrize("write", WRITERS)
def test_a_huge_array_is_refused_before_it_is_a_list(write: Callable[..., bytes]) -> None:
    array = ToList([])
    array.size = forms.MOST_ELEMENTS + 1
    with pytest.raises(jsonio.NoJsonForm, match=r"^\$\.a has 10000001 elements"):
        write({"a": array})


@pytest.fixture
def marking() -> Iterator[None]:
    forms.keep_types_of_refused(True)
    yield
    forms.keep_types_of_refused(False)


@pytest.mark.usefixtures("marking")
@pytest.mark.parametrize("write", WRITERS)
def test_a_marker_carries_the_type_and_nothing_else(write: Callable[..., bytes]) -> None:
    value = {"m": Secretive(), "b": [raising("to_dict"), 1]}
    marks = [f'{{"__unserializable__":"{__name__}.{name}"}}' for name in ("Secretive", "Broken")]
    assert write(value).decode() == f'{{"m":{marks[0]},"b":[{marks[1]},1]}}'
    with pytest.raises(jsonio.NoJsonForm, match="has a key of type"):
        write({Secretive(): 1})
    with pytest.raises(jsonio.NoJsonForm, match="NaN"):
        write([math.nan])


def test_a_long_path_is_cut_in_its_middle() -> None:
    place: places.Place = ()
    for number in range(200):
        place = (place, number)
    text = places.path(place)
    assert text.startswith("$[0][1]")
    assert text.endswith("[198][199]")
    assert len(text) < 210
