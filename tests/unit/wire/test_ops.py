"""Requests are checked while they are decoded: a refusal names the field and what is allowed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire import fields, ops

UP = {"op": "up", "cwd": "/", "env": {}}
DETACH = {"op": "detach", "command": "a", "args": "{}", "cwd": "/"}


def refusal(query: Any) -> str:
    body = query if isinstance(query, bytes) else json.dumps(query).encode()
    with pytest.raises(PitError) as caught:
        ops.decode(body)
    assert caught.value.kind == "usage"
    return caught.value.message


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (b"", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b"\xff", "must be a JSON object"),
        (b'{"x":' + b"[" * 5000, "must be a JSON object"),
        ({}, "`op` must be one of ping, status"),
        ({"op": "fly"}, "not 'fly'"),
        ({"op": 5}, "not 5"),
        ({"op": "ping", "x": 1}, "unknown field `x`"),
        ({"op": "scale", "pool": "p", "sise": 1}, "(known here: pool, size, timeout)"),
        ({"op": "reap"}, "`dry_run` is missing; it must be true or false"),
        ({"op": "down", "pool": 5}, "`pool` must be a string of 1 to 255 bytes, not 5"),
        ({"op": "down", "pool": "p", "timeout": "3s"}, "`timeout` must be a number of seconds"),
        ({"op": "down", "pool": "p", "timeout": -1}, "not -1"),
        ({"op": "scale", "pool": "p", "size": 0}, "`size` must be a whole number from 1 to 1024, not 0"),
        ({"op": "scale", "pool": "p", "size": 1.5}, "not 1.5"),
        ({"op": "admit", "pool": "p", "gate": "ajar"}, "`gate` must be open, paused or closed, not 'ajar'"),
        ({"op": "replace"}, "one of `pool` and `worker` must be given"),
        ({"op": "wait", "ids": [1]}, "`ids` must be a list of at most 10,000 strings"),
        ({"op": "tail", "id": "s", "from": "middle"}, '`from` must be "start", "end" or a number of chunks'),
        ({**UP, "pool": "../x"}, "`pool` must be 1 to 32 letters"),
        ({**UP, "spare": -1}, "`spare` must be a whole number from 0 to"),
        ({**UP, "capacity": True}, "`capacity` must be a whole number from 1 to 10000, not True"),
        ({**UP, "contain": "loosely"}, "`contain` must be standard or strict"),
        ({**UP, "adapter": "a\0b"}, "`adapter` must be a string without NUL characters"),
        ({**UP, "env": {"A": 1}}, "`env` must be an object of strings without NUL characters, not this object"),
        ({**UP, "env": {"A\0": "1"}}, "`env` must be"),
        ({**UP, "wait": 1}, "`wait` must be true or false, not 1"),
        ({**DETACH, "session": 5}, "`session` must be a string of at most 255 bytes, not 5"),
        ({**DETACH, "command": "a" * 256}, "`command` must be a string of 1 to 255 bytes"),
        ({**DETACH, "command": "é" * 128}, "`command` must have at most 255 bytes"),
        ({**DETACH, "affinity": "weak"}, "`affinity` must be hint, strict_queue or strict_fail_fast"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(query: Any, words: str) -> None:
    assert words in refusal(query)


def test_a_refusal_does_not_repeat_an_environment() -> None:
    assert "hunter2" not in refusal({**UP, "env": {"PASSWORD": "hunter2", "A": 1}})


def test_a_refusal_is_short_whatever_was_given() -> None:
    assert len(refusal({"op": "down", "pool": "p" * 1_000_000})) < 300


@pytest.mark.parametrize("name", ops.OPS)
def test_every_field_says_what_it_may_be(name: str) -> None:
    assert all(fields._allowed(ops.OPS[name]).values())


def test_what_is_accepted() -> None:
    assert ops.decode(json.dumps({**UP, "size": 3, "timeout": 2}).encode()) == ops.Up(
        cwd="/", env={}, size=3, timeout=2.0
    )
    assert ops.decode(json.dumps({**DETACH, "command": "é" * 127}).encode())
