"""Binary arguments from files, and results with parts as text and as files."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import values
from snakepit_cli.client.call import arguments, files, npy, output_file
from snakepit_cli.client.call.arguments import ArgumentsError
from snakepit_cli.client.call.parted import Parted, as_json
from snakepit_cli.client.call.state_query import value_text
from snakepit_cli.wire.binary import DTYPES, pack, unpack
from snakepit_cli.wire.parts import Binary


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(array: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **how)
    return file.getvalue()


def built(*items: str, stdin: bytes = b"", **more: Any) -> Any:
    return values.decode(arguments.build(items, stdin=lambda: stdin, binary=True, **more))


def places(*items: str, stdin: bytes = b"") -> Any:
    text, _ = unpack(arguments.build(items, stdin=lambda: stdin, binary=True))
    return json.loads(bytes(text))


def refusal(*items: str, stdin: bytes = b"") -> ArgumentsError:
    with pytest.raises(ArgumentsError) as raised:
        arguments.build(items, stdin=lambda: stdin, binary=True)
    return raised.value


# ------------------------------------------------------------------------------------------------ .npy


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0)])
def test_npy_files_are_what_numpy_writes_and_reads(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    found, dimensions, elements = npy.parse(saved(array))
    assert (found, tuple(dimensions), bytes(elements)) == (dtype, shape, array.tobytes())
    written = npy.head(dtype, shape) + array.tobytes()
    again = np.load(io.BytesIO(written))
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert len(npy.head(dtype, shape)) % 64 == 0


def test_later_versions_of_the_format() -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(3), version=(2, 0))
    assert npy.parse(file.getvalue())[1] == [3]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a .npy file"),
        (b"GIF89a", "not a .npy file"),
        (saved(np.arange(3))[:-1], "the array has 24 bytes; in the file are 23"),
        (saved(np.arange(3)) + b"x", "the array has 24 bytes; in the file are 25"),
        (saved(np.arange(3))[:40], "damaged"),
        (saved(np.arange(3)).replace(b"'shape'", b"'shade'"), "damaged"),
        (saved(np.arange(3)).replace(b"(3,)", b"(-3)"), "damaged"),
        (npy.MAGIC + b"\1\0\x05\0{[(((", "damaged"),
        (saved(np.array([{}]), allow_pickle=True), "must hold numbers"),
        (saved(np.array(["é"])), "must hold numbers"),
        (saved(np.array([(1, 2)], "i4,i4")), "must hold numbers"),
        (saved(np.arange(3, dtype=">i4")), "big-endian"),
        (saved(np.asfortranarray(np.ones((2, 3)))), "Fortran order"),
    ],
)
def test_an_npy_file_that_cannot_be_sent(data: bytes, said: str) -> None:
    with pytest.raises(npy.NotUsableError, match=said):
        npy.parse(data)
    Path("a.npy").write_bytes(data)
    error = refusal("x@=a.npy")
    assert (error.kind, error.message.startswith("x: a.npy: ")) == ("invalid_arguments", True)


def test_mutations_of_npy_files_are_read_or_refused() -> None:
    import random

    chance, whole, read = random.Random(3), saved(np.arange(6.0).reshape(2, 3)), 0
    for _ in range(5_000):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(100)] = chance.choice([0, 255, 39, 40, 44, 48, 57, 91, 123, chance.randrange(256)])
        try:
            dtype, shape, elements = npy.parse(bytes(data))
        except npy.NotUsableError:
            continue
        assert np.prod(shape, dtype=int) * DTYPES[dtype][0] == len(elements)
        read += 1
    assert read > 10


# ------------------------------------------------------------------------------------------------ arguments


def test_files_are_sent_as_what_they_are() -> None:
    Path("a.npy").write_bytes(saved(np.arange(6).reshape(2, 3)))
    Path("photo.PNG").write_bytes(b"\x89PNG")
    Path("b.json").write_text(' {"k": 1.50}\n')
    Path("blob").write_bytes(b"\xff\0")
    found = built("a@=a.npy", "p@=photo.PNG", "j@=b.json", "b@=blob", "t=text", "n:=1.50")
    assert found.pop("a").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found == {"p": b"\x89PNG", "j": {"k": 1.5}, "b": b"\xff\0", "t": "text", "n": 1.5}
    assert places("p@=photo.PNG", "b@=blob") == {"p": {"$binary": 0, "type": "image/png"}, "b": {"$binary": 1}}


def test_standard_input() -> None:
    assert built("x@=-", stdin=b"\xff") == {"x": b"\xff"}
    assert built("x@=-", stdin=saved(np.arange(3)))["x"].tolist() == [0, 1, 2]


def test_only_json_stays_json() -> None:
    Path("b.json").write_text("[1]")
    assert arguments.build(["x@=b.json"]) == b'{"x":[1]}'


def test_the_last_one_of_a_name_counts() -> None:
    Path("a").write_bytes(b"a")
    assert built("x@=a", "x=1", "y@=a", "y@=a", args='{"y": 1}') == {"x": "1", "y": b"a"}


def test_a_name_may_be_an_at_sign() -> None:
    assert arguments.build(["@=1"]) == b'{"@":"1"}'


def test_what_cannot_be_sent_is_named() -> None:
    assert refusal("x@=").kind == "usage"
    assert (refusal("x@=missing").kind, refusal("x@=a\0b").kind) == ("input_not_found",) * 2
    Path("a").write_bytes(b"\xff")
    assert refusal("x=@a").hint == "to send its bytes as they are, write x@=a"
    assert "`$binary`" in refusal("x@=a", 'y:={"$binary":0}').message
    with pytest.raises(ArgumentsError, match="x: binary values are for `exec` and `stream`"):
        arguments.build(["x@=a"])


@pytest.mark.parametrize(
    ("array", "kind", "text"),
    [
        (np.array([[1, 2], [3, 4]]), None, '{"shape":[2,2],"data":[1,2,3,4]}'),
        (np.array([[1, 2], [3, 4]]), "tensor", '{"shape":[2,2],"data":[1,2,3,4]}'),
        (np.array([[1, 2], [3, 4]]), "embedding", "[[1,2],[3,4]]"),
        (np.array([0.5, 1]), None, "[0.5,1.0]"),
        (np.array([0.5, 1]), "tensor", '{"shape":[2],"data":[0.5,1.0]}'),
        (np.array(7), "integer", "7"),
        (np.zeros((2, 0)), None, '{"shape":[2,0],"data":[]}'),
    ],
)
def test_a_variable_gets_an_array(array: Any, kind: str | None, text: str) -> None:
    Path("a.npy").write_bytes(saved(array))
    assert value_text("@a.npy", "v", kind=kind) == text


@pytest.mark.parametrize("array", [np.array([np.nan]), np.array([1j]), np.array(["a"])])
def test_an_array_that_no_variable_holds(array: Any) -> None:
    Path("a.npy").write_bytes(saved(array))
    with pytest.raises(ArgumentsError, match=r"^v: a\.npy: "):
        value_text("@a.npy", "v")


# ------------------------------------------------------------------------------------------------ results as text


def result(value: Any) -> Parted:
    return Parted(b"".join(values.encode({"x": value})))


def printed(value: Any, nan: str | None = None) -> Any:
    found = result(value)
    return json.loads(found.replaced(found.text, lambda part: as_json(part, nan)))["x"]


@pytest.mark.parametrize("dtype", [one for one in DTYPES if "complex" not in one])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 1, 2), (2, 0, 3), (0, 3)])
def test_small_arrays_are_lists(dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape)
    assert printed(array) == array.tolist()


def test_large_arrays_are_base64_with_what_they_are() -> None:
    assert isinstance(printed(np.zeros(1280)), list)
    found = printed(np.zeros((2, 641)))
    assert {**found, "base64": len(found["base64"])} == {"dtype": "float64", "shape": [2, 641], "base64": 13676}
    assert printed(np.zeros(1, "complex64")) == {"dtype": "complex64", "shape": [1], "base64": "AAAAAAAAAAA="}


def test_bytes_are_base64() -> None:
    assert printed([b"ab", b""]) == ["YWI=", ""]
    assert printed(Binary(b"ab", 'a"}/b')) == {"type": 'a"}/b', "base64": "YWI="}


def test_nan_in_a_small_array() -> None:
    with pytest.raises(PitError, match="holds NaN or an infinity") as raised:
        printed(np.array([1, np.nan]))
    assert (raised.value.kind, raised.value.hint) == ("invalid_result", "`--nan null` makes it null")
    assert printed(np.array([[1, np.nan], [np.inf, 0]]), "null") == [[1, None], [None, 0]]
    assert printed(np.full(2000, np.nan))["dtype"] == "float64"


def test_numbers_beside_parts_keep_their_form() -> None:
    message = b"".join(pack(b'{"n": 1.50e3, "t": "{\\"$binary\\":0}", "x": {"$binary":0}}', [b"a"]))
    found = Parted(message)
    assert found.replaced(found.text, lambda _: "#") == '{"n": 1.50e3, "t": "{\\"$binary\\":0}", "x": #}'


@pytest.mark.parametrize("text", ["1", '[{"$binary":1}]', '[{"$binary":0,"dtype":"int8","shape":[7]}]'])
def test_a_result_that_does_not_fit_its_parts(text: str) -> None:
    message = b"\0SPB" + len(text).to_bytes(4, "little") + b"\1\0\0\0" + (128).to_bytes(8, "little")
    message += (1).to_bytes(8, "little") + text.encode()
    with pytest.raises(PitError) as raised:
        Parted(message.ljust(129, b"\0"))
    assert raised.value.kind == "invalid_result"


# ------------------------------------------------------------------------------------------------ files for results


def test_a_file_is_replaced_at_once_and_keeps_its_mode(folder: Path) -> None:
    output_file.write("new", [b"a", memoryview(b"b")])
    assert Path("new").read_bytes() == b"ab"
    os.chmod("new", 0o640)
    os.symlink("new", "link")
    output_file.write("link", [b"c"])
    assert (Path("new").read_bytes(), stat.S_IMODE(os.stat("new").st_mode)) == (b"c", 0o640)
    assert sorted(os.listdir()) == ["link", "new"]
    assert os.path.islink("link")


def test_nothing_is_left_when_it_fails() -> None:
    Path("f").write_text("before")

    def broken() -> Any:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(ArgumentsError, match="f: No space left on device") as raised:
        output_file.write("f", broken())
    assert raised.value.kind == "output_failed"
    assert (os.listdir(), Path("f").read_text()) == (["f"], "before")


def test_what_is_no_regular_file_is_written_into() -> None:
    before = os.stat("/dev/null")
    output_file.check("/dev/null")
    output_file.write("/dev/null", [b"a"])
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert os.stat("/dev/null").st_ino == before.st_ino


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing/f", "there is no directory"),
        (".", "it is a directory"),
        ("a\0b", "not the name"),
        ("f/g", "Not a dir"),
    ],
)
def test_a_place_that_cannot_be_written_is_found_before_the_call(name: str, said: str) -> None:
    Path("f").touch()
    with pytest.raises(ArgumentsError, match=said) as raised:
        output_file.check(name)
    assert raised.value.kind == "output_failed"


def test_an_endless_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "LONGEST", 3 << 20)
    (tmp_path / "long").touch()
    os.truncate(tmp_path / "long", (3 << 20) + 1)
    for source in ("/dev/zero", str(tmp_path / "long")):
        with pytest.raises(ArgumentsError, match=f"^image: {source} has more than 3,145,728 bytes$") as caught:
            files.read(source, "image", arguments.read_stdin)
        assert caught.value.kind == "invalid_arguments"


def test_a_file_that_tells_no_size_is_read_whole() -> None:
    found = files.read("/proc/self/status", "text", arguments.read_stdin)
    assert isinstance(found, files.Part)
    assert b"VmPeak" in found.data
