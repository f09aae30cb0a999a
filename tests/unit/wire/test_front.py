"""Frames of the front protocol."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.call import Header
from snakepit_cli.wire import front
from snakepit_cli.wire.fields import LONGEST_NAME

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=LONGEST_NAME // 4)


@given(st.sampled_from(b"CQXRKE"), st.integers(0, 2**32 - 1), st.binary(max_size=300))
def test_a_frame_has_kind_length_id_and_body(kind: int, request: int, body: bytes) -> None:
    data = front.frame(kind, request, body)
    assert data[0] == kind
    assert int.from_bytes(data[1:5], "big") == len(data) - 5
    assert int.from_bytes(data[5 : front.HEADER], "big") == request
    assert data[front.HEADER :] == body


@pytest.mark.parametrize("more", [0, 1])
def test_a_body_whose_length_has_no_place_in_a_frame(more: int) -> None:
    class Long(bytes):
        def __len__(self) -> int:
            return (1 << 32) - 5 + more

    if not more:
        assert front.frame(front.CALL, 1, Long())[1:5] == b"\xff" * 4
        return
    with pytest.raises(PitError, match="the message has 4,294,967,292 bytes; at most 4,294,967,291") as raised:
        front.frame(front.CALL, 1, Long())
    assert raised.value.kind == "invalid_arguments"


def test_kinds_are_letters_and_differ() -> None:
    kinds = [front.CALL, front.QUERY, front.CANCEL, front.RESULT, front.CHUNKS, front.ERROR]
    assert bytes(kinds) == b"CQXRKE"


@given(
    command=names,
    cwd=texts,
    pool=st.none() | names,
    session=st.none() | names,
    timeout=st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 10**9),
    stream=st.booleans(),
    args=st.binary(max_size=100),
)
def test_a_call_says_what_the_server_reads(
    command: str, cwd: str, pool: str | None, session: str | None, timeout: float | None, stream: bool, args: bytes
) -> None:
    body = front.call_body(
        command, args, version="1.2", cwd=cwd, pool=pool, session=session, timeout=timeout, stream=stream
    )
    head, _, rest = body.partition(b"\n")
    assert rest == args, "the header has no line break"
    header = Header(**json.loads(head))
    assert header == Header("1.2", command, cwd, "default" if pool is None else pool, session, timeout, stream)


@given(st.dictionaries(texts, texts))
def test_metadata_of_a_call(metadata: dict[str, str]) -> None:
    body = front.call_body("a", b"", version="1", cwd="/", metadata=metadata)
    assert json.loads(body).get("metadata", {}) == metadata


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_arguments_are_not_touched(size: int) -> None:
    args = b"\xff\n\0" * size
    assert front.call_body("a", args, version="1", cwd="/").partition(b"\n")[2] == args
