"""Types and constraints: what is taken, how it is kept, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from snakepit_cli.server.store import values
from snakepit_cli.server.store.values import InvalidValueError

TENSOR = {"shape": [2, 2], "data": [[1, 2], [3, 4]]}


@pytest.mark.parametrize(
    ("type_", "given", "kept"),
    [
        ("float", 1, 1.0), ("float", 0.5, 0.5), ("float", "NaN", "NaN"), ("float", "-Infinity", "-Infinity"),
        ("integer", 3.0, 3), ("integer", 2**80, 2**80), ("string", "", ""), ("boolean", 1, True),
        ("boolean", "false", False), ("choice", "a", "a"), ("module", "pkg.mod", "pkg.mod"),
        ("embedding", [1, 0.5], [1.0, 0.5]), ("embedding", [], []),
        ("embedding", [[1, 2], [0.5, 3]], [[1.0, 2.0], [0.5, 3.0]]), ("embedding", [[]], [[]]),
        ("tensor", TENSOR, TENSOR),
        ("tensor", {"shape": [4], "data": [1, 2, 3, 4]}, {"shape": [4], "data": [1, 2, 3, 4]}),
        ("tensor", {"shape": [], "data": 3}, {"shape": [], "data": 3}), ("map", {"a": [1]}, {"a": [1]}),
        ("list", [1, "a", None], [1, "a", None]),
    ],
)  # fmt: skip
def test_is_kept(type_: str, given: Any, kept: Any) -> None:
    found = values.check(type_, given, {})
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("type_", "given", "said"),
    [
        ("float", "hot", 'cannot convert "hot" to float: must be a number'),
        ("float", True, "cannot convert true to float: must be a number"),
        ("float", 10**400, "too large for a float"),
        ("integer", "1", 'cannot convert "1" to integer: must be an integer'),
        ("integer", 1.5, "cannot convert 1.5 to integer: must be a whole number, got 1.5"),
        ("string", None, "cannot convert null to string: cannot be null"),
        ("string", 1, "cannot convert 1 to string: must be a string"),
        ("boolean", 2, "cannot convert 2 to boolean: must be a boolean (true or false)"),
        ("boolean", [], "must be a boolean"),
        ("choice", 1, "must be a string"),
        ("module", "", "must be a module name"),
        ("embedding", "x", "must be a list of numbers"),
        ("embedding", [1, "x"], "must be a numeric list"),
        ("embedding", [True], "must be a numeric list"),
        ("embedding", [[1], [1, 2]], "must be a numeric list, or lists of one length"),
        ("embedding", [[1], 2], "must be a numeric list"),
        ("embedding", [[[1]]], "must be a numeric list"),
        ("tensor", [1], "must be a tensor with shape and data"),
        ("tensor", {"shape": [3], "data": [1]}, "data size doesn't match shape"),
        ("tensor", {"shape": [-1], "data": [1]}, "the shape is a list of whole numbers"),
        ("tensor", {"shape": [1], "data": ["x"]}, "the data are numbers"),
        ("map", [], "must be an object"),
        ("list", {}, "must be a list"),
    ],
)  # fmt: skip
def test_is_refused(type_: str, given: Any, said: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        values.check(type_, given, {})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "constraints", "good", "bad", "said"),
    [
        ("float", {"max": 1.0}, 1, 1.5, "value 1.5 is above maximum 1.0"),
        ("float", {"min": 0}, "NaN", -0.1, "value -0.1 is below minimum 0"),
        ("integer", {"min": 1, "max": 3}, 1, 4, "value 4 is above maximum 3"),
        ("string", {"min_length": 2}, "ab", "a", "must be at least 2 characters, got 1"),
        ("string", {"max_length": 2}, "ab", "abc", "must be at most 2 characters, got 3"),
        ("string", {"pattern": "b+"}, "abb", "ac", '"ac" must match pattern: b+'),
        ("string", {"pattern": "[a"}, "x[ay", "a",
         '"a" must match pattern: [a (not a regular expression, so searched for literally)'),
        ("string", {"enum": ["a", "b"]}, "a", "c", '"c" must be one of: a, b'),
        ("choice", {"choices": ["a", "b"]}, "b", "c", '"c" must be one of: a, b'),
        ("module", {"allowed_modules": ["m"]}, "m", "n", '"n" must be one of the allowed modules: m'),
        ("embedding", {"dimensions": 2}, [1, 2], [1], "must have exactly 2 dimensions, got 1"),
        ("embedding", {"dimensions": 2}, [[1, 2], [3, 4]], [[1], [3]], "must have exactly 2 dimensions, got 1"),
        ("tensor", {"shape": [2, 2]}, TENSOR, {"shape": [1], "data": [1]}, "shape must be [2,2], got [1]"),
        ("list", {"max_length": 1}, [1], [1, 2], "must be at most 1 elements, got 2"),
        ("map", {"min_length": 1}, {"a": 1}, {}, "must be at least 1 entries, got 0"),
    ],
)  # fmt: skip
def test_constraints(type_: str, constraints: dict[str, Any], good: Any, bad: Any, said: str) -> None:
    values.check_constraints(type_, constraints)
    values.check(type_, good, constraints)
    with pytest.raises(InvalidValueError) as caught:
        values.check(type_, bad, constraints)
    assert str(caught.value) == said


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)*$", "(.*)(.*)(.*)(.*)(.*)[0-9]x"])
def test_a_pattern_takes_little_time(pattern: str) -> None:
    """Each would take another engine longer than anybody waits."""
    constraints = {"pattern": pattern}
    values.check_constraints("string", constraints)
    with pytest.raises(InvalidValueError):
        values.check("string", "a" * 9_999 + "b", constraints)


@pytest.mark.parametrize("pattern", ["(((a{1000}){1000}){1000})", "(?<=x)a", r"(a)\1", "(a|b){1,1000}" * 70])
def test_a_pattern_that_has_no_bound_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValueError, match="very large patterns cannot be used"):
        values.check_constraints("string", {"pattern": pattern})


def test_a_pattern_has_a_limit() -> None:
    with pytest.raises(InvalidValueError, match="pattern cannot be"):
        values.check_constraints("string", {"pattern": "a" * 1001})


def test_an_empty_choice_allows_anything() -> None:
    assert values.check("choice", "whatever", {"choices": []}) == "whatever"


@pytest.mark.parametrize(
    ("type_", "constraints", "said"),
    [
        ("float", {"mni": 1}, "Invalid constraints: mni is unknown (float has min, max)"),
        ("float", {"min": "a"}, 'Invalid constraints: min cannot be "a"'),
        ("float", {"min": 2, "max": 1}, "Invalid constraints: min is above max"),
        ("boolean", {"min": 1}, "Invalid constraints: min is unknown (boolean has none)"),
        ("tensor", {"shape": [True]}, "Invalid constraints: shape cannot be [true]"),
    ],
)
def test_wrong_constraints(type_: str, constraints: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        values.check_constraints(type_, constraints)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, "boolean"), (1, "integer"), (1.0, "float"), ("x", "string"), ([1, 2.0], "embedding"), ([1, 2], "list"),
        ([], "list"),
        (["a"], "list"), (TENSOR, "tensor"), ({"shape": [3], "data": []}, "map"), ({}, "map"),
    ],
)  # fmt: skip
def test_the_type_that_a_value_suggests(value: Any, type_: str) -> None:
    assert values.inferred(value) == type_


def test_a_value_is_shown_short() -> None:
    assert len(values.shown("x" * 10_000)) < 100


def test_integers_beyond_64_bits_stay_integers() -> None:
    assert values.decoded(b" -123456789012345678901234567890 ") == -123456789012345678901234567890
    assert isinstance(values.decoded(b"1e30"), float)


@pytest.mark.parametrize("text", [b"{", b"nan", b"1 2", b"[" * 100_000, b'"\xff"', b"9" * 5000])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(InvalidValueError):
        values.decoded(text)


def test_json_is_kept_on_one_line() -> None:
    assert values.compact(b'{\n "a": "x\\ny",\r\n "b": [1]}') == b'{"a":"x\\ny","b":[1]}'
