"""Binary arguments: workers of all languages get them, programs are not troubled with them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.wire.binary import DTYPES, pack, unpack
from snakepit_cli.wire.parts import Binary
from tests.contract.test_languages import ADAPTERS, Language
from tests.harness.pit import Pit

FOLDER = Path(__file__).parent
LINES = shlex.join([sys.executable, f"{FOLDER.parent}/puppets/doors/door_lines.py"])
PROGRAMS = {"filter": "exec:cat", "program": f"exec-json:{LINES}"}
CONFIG = "".join(
    f'[pools.{name}]\nadapter = "{adapter}"\nsize = 1\n' for name, adapter in {**ADAPTERS, **PROGRAMS}.items()
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        for name in ADAPTERS:
            one.run("up", name)
        (one.work / "photo.png").write_bytes(b"\x89PNG")
        yield one


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_refuse_them_by_name(shared: Pit, name: str) -> None:
    pool = Language(shared, name)
    error = pool.error("run", "x@=photo.png")
    assert (error["kind"], error["message"]) == (
        "invalid_arguments", f"`run`: the workers of pool {name} take JSON; an argument is binary",
    )  # fmt: skip


@pytest.mark.parametrize("name", ADAPTERS)
def test_workers_take_and_give_them(shared: Pit, name: str) -> None:
    shown = Language(shared, name).call("echo", "x@=photo.png")["x"]
    assert shown in ("iVBORw==", {"type": "image/png", "base64": "iVBORw=="})
    with shared.connection() as connection:
        value = {"x": [b"\x89PNG", Binary(b"abc", "image/png")], "n": [1, None, "ü"]}
        found = connection.call_value("echo", value, pool=name)
        assert (found["x"][0], found["n"]) == (b"\x89PNG", value["n"])
        assert bytes(found["x"][1]) == b"abc"
        with pytest.raises(PitError, match="take JSON"):
            connection.call_value("echo", {"x": b"a"}, pool="filter")


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("dtype", [one for one in DTYPES if one != "float16"])
def test_arrays_are_exactly_preserved(shared: Pit, name: str, dtype: str) -> None:
    data = bytes(range(1, 1 + 6 * DTYPES[dtype][0])) if dtype != "bool" else bytes([0, 1, 1, 0, 0, 1])
    for shape in ([6], [2, 3], [3, 1, 2]):
        text = json.dumps({"a": {"$binary": 0, "dtype": dtype, "shape": shape}}, separators=(",", ":")).encode()
        message = b"".join(pack(text, [data]))
        with shared.connection() as connection:
            answer = connection.call("echo", message, pool=name, binary=True)
        found, parts = unpack(answer)
        assert json.loads(bytes(found)) == json.loads(text)
        assert bytes(parts[0]) == data


@pytest.mark.parametrize("name", ADAPTERS)
def test_large_ones_go_through_the_whole(shared: Pit, name: str) -> None:
    data = bytes(8 << 20)
    with shared.connection() as connection:
        assert connection.call_value("echo", {"x": data}, pool=name) == {"x": data}


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("size", [3, 3 << 20])
def test_chunks_have_them_too(shared: Pit, name: str, size: int) -> None:
    """In order, whatever is between them, and beyond the 4 MiB that a worker may be ahead."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with shared.connection() as connection:
        found = list(connection.stream_values("repeat", {"value": {"x": data}, "n": 5}, pool=name))
        assert found == [one for n in range(5) for one in (n, [{"x": data}, n])]
        (whole,) = connection.stream_values("echo", {"x": data}, pool=name)
        assert whole == {"x": data}
        lines = b"".join(connection.stream("repeat", b'{"value":[1],"n":2}', pool=name))
        assert lines == b"0\n[[1],0]\n1\n[[1],1]\n"
        assert list(connection.stream_values("repeat", {"value": [1], "n": 1}, pool=name)) == [0, [[1], 0]]


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_chunk_of_20_megabytes(shared: Pit, name: str) -> None:
    with shared.connection() as connection:
        value = [bytes(20 << 20)]
        stream = connection.stream_values("repeat", {"value": value, "n": 1}, pool=name)
        assert next(stream) == 0
        assert next(stream) == [value, 0]
        assert list(stream) == []
        assert connection.call_value("echo", {"x": 1}, pool=name) == {"x": 1}


@pytest.mark.parametrize("name", ADAPTERS)
def test_messages_that_are_none_are_invalid_arguments(shared: Pit, name: str) -> None:
    whole = b"".join(pack(b'{"x":{"$binary":0}}', [b"abc"]))
    with shared.connection() as connection:
        for message in (whole[:9], whole[:-1], whole.replace(b'":0', b'":1'), b"\0" * 12):
            with pytest.raises(PitError) as caught:
                connection.call("echo", message, pool=name)
            assert caught.value.kind == "invalid_arguments"
