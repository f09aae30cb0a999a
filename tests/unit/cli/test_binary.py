"""Binary arguments and results on the command line: the peer's `echo` sends the arguments back as its result."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import values
from snakepit_cli.wire import front
from snakepit_cli.wire.binary import is_message
from snakepit_cli.wire.parts import ARROW, Binary
from tests.harness.screen import rendered
from tests.unit.cli.conftest import Done, Run
from tests.unit.cli.test_process import finish, on_terminal, start
from tests.unit.client.fake import Fake, Peer

LARGE = np.arange(2000.0)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    (folder / "photo.png").write_bytes(PNG)
    np.save(folder / "large.npy", LARGE)
    np.save(folder / "small.npy", np.array([[1, 2], [3, 4]]))
    return folder


def answer(fake: Fake, value: Any) -> None:
    """What `give` is answered with."""

    def give(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.RESULT, request, b"".join(values.encode({"x": value})))

    fake.answers["give"] = give


def said(done: Done, code: int) -> str:
    assert (done.code, done.out) == (code, ""), done
    return done.err.splitlines()[0].removeprefix("error: ")


# -------------------------------------------------------------------------------------------------- arguments


def test_files_reach_the_server(fake: Fake, run: Run) -> None:
    assert run("exec", "echo", "photo@=photo.png", "n:=1").code == 0
    header, sent = fake.calls[0]
    assert header["binary"] is True
    assert is_message(sent)
    assert values.decode(sent) == {"photo": PNG, "n": 1}


def test_standard_input_reaches_the_server(fake: Fake, run: Run) -> None:
    assert run("exec", "echo", "x@=-", stdin=PNG).code == 0
    assert values.decode(fake.calls[0][1]) == {"x": PNG}


def test_a_stream_takes_them_too(fake: Fake, run: Run) -> None:
    run("stream", "echo", "x@=photo.png")
    header, sent = fake.calls[0]
    assert header["binary"] is True
    assert values.decode(sent) == {"x": PNG}


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["x@=missing.npy"], 66, "x: missing.npy: No such file or directory"),
        (["x@="], 2, "x@= needs the name of a file, or `-` for standard input"),
        (["x@=no.npy"], 65, "x: no.npy: it is not a .npy file"),
        (["x=@photo.png"], 65, "x: photo.png is not UTF-8 text"),
        (["x@=no.json"], 65, "x: no.json: not JSON at character 0"),
    ],
)
def test_what_cannot_be_sent_is_named(fake: Fake, run: Run, words: list[str], code: int, text: str) -> None:
    for name in ("no.npy", "no.json"):
        Path(name).write_bytes(b"text")
    done = run("exec", "echo", *words)
    assert said(done, code) == text
    assert "snakepit commands" not in done.err or ".npy" not in text
    assert fake.calls == []


def test_where_they_are_not_taken(fake: Fake, full: Run) -> None:
    assert "x: binary values are for `exec` and `stream`" in said(
        full("var", "mset", "--session", "s", "x@=photo.png"), 2
    )
    assert "x: binary values" in said(full("map", "echo", "x@=photo.png", stdin=b""), 2)
    assert "takes no binary arguments" in said(full("stream", "echo", "x@=photo.png", "--detach"), 2)


# ---------------------------------------------------------------------------------------------------- results


def test_in_a_pipe_results_are_json(fake: Fake, run: Run) -> None:
    done = run("exec", "echo", "a@=small.npy", "b@=large.npy", "c@=photo.png", "d:=1.50")
    assert done.out.startswith('{"a":[[1,2],[3,4]],"b":{"dtype":"float64","shape":[2000],"base64":"')
    assert done.out.endswith(',"d":1.50}\n')
    assert json.loads(done.out)["c"]["type"] == "image/png"
    assert done == run("exec", "echo", "a@=small.npy", "b@=large.npy", "c@=photo.png", "d:=1.50", "--json")


def test_a_field_of_them(fake: Fake, run: Run) -> None:
    words = ["exec", "echo", "a@=small.npy", "b@=large.npy", "c@=photo.png"]
    for field, text in {"a": "[[1,2],[3,4]]", "a[1]": "[3,4]", "b.shape": "[2000]", "b.dtype": '"float64"'}.items():
        assert run(*words, "--field", field).out == f"{text}\n"
    assert run(*words, "--field", "b.base64").out.startswith('"AAAA')
    assert "no such key" in run(*words, "--field", "b.other").err


def test_nan_in_a_small_array(fake: Fake, run: Run) -> None:
    answer(fake, np.array([1, np.nan]))
    assert "holds NaN" in said(run("exec", "give"), 70)
    assert run("exec", "give", "--nan", "null").out == '{"x":[1.0,null]}\n'


@pytest.mark.parametrize("path", [[], ["--color", "auto"]], ids=["fast", "full"])
def test_raw_bytes(fake: Fake, path: list[str]) -> None:
    def raw(*words: str) -> bytes:
        with start("exec", "echo", *words, "--raw", *path) as process:
            out, _ = process.communicate(timeout=60)
        return out

    assert raw("x@=photo.png", "--field", "x") == PNG
    assert raw("x@=large.npy", "--field", "x") == LARGE.tobytes()
    assert raw("x@=photo.png", "t=text", "--field", "t") == b"text\n"
    assert raw("x@=small.npy") == b'{"x":[[1,2],[3,4]]}\n'


def test_a_broken_result_is_named(fake: Fake, run: Run) -> None:
    fake.answers["give"] = lambda peer, request, *_: peer.send(front.RESULT, request, b"\0nothing")
    assert said(run("exec", "give"), 70).startswith("the result cannot be read: ")


# ----------------------------------------------------------------------------------------------------- chunks


def chunks(fake: Fake, *given: Any) -> None:
    """What `give` is answered with: JSON texts, and values with parts."""

    def give(peer: Peer, request: int, *_: object) -> None:
        blocks = [one if type(one) is bytes else b"".join(values.encode({"x": one})) for one in given]
        frames = [front.frame(front.CHUNKS, request, block + b"\n") for block in blocks]
        peer.sock.sendall(b"".join(frames))
        peer.send(front.RESULT, request, b"null")

    fake.answers["give"] = give


def test_in_a_pipe_chunks_are_json(fake: Fake, run: Run) -> None:
    chunks(fake, b"1.50\n2", np.array([[1, 2]]), LARGE, b"3")
    done = run("stream", "give")
    assert done.out.startswith('1.50\n2\n{"x":[[1,2]]}\n{"x":{"dtype":"float64","shape":[2000],"base64":"')
    assert done.out.endswith('"}}\n3\n')
    assert (done.code, len(done.out.splitlines())) == (0, 5)
    assert run("stream", "give", "--json").out == done.out


def test_a_field_of_chunks(fake: Fake, run: Run) -> None:
    chunks(fake, b"1", LARGE, b'{"x":"text"}', np.array([5]))
    assert run("stream", "give", "--field", "x[0]").out == "5\n"
    assert run("stream", "give", "--field", "x.shape").out == "[2000]\n[1]\n"
    assert "no such key" in said(run("stream", "give", "--field", "y"), 65)


@pytest.mark.parametrize("path", [[], ["--color", "auto"]], ids=["fast", "full"])
def test_raw_chunks(fake: Fake, path: list[str]) -> None:
    chunks(fake, bytearray(PNG), b'{"x":"text"}', LARGE)
    with start("stream", "give", "--field", "x", "--raw", *path) as process:
        out, _ = process.communicate(timeout=60)
    assert out == PNG + b"text\n" + LARGE.tobytes()


def test_progress_counts_chunks_with_parts(fake: Fake, full: Run) -> None:
    chunks(fake, b"1", LARGE, np.array([5]))
    done = full("stream", "give", "--progress", "jsonl")
    assert len(done.out.splitlines()) == 3
    assert json.loads(done.err.splitlines()[-1])["chunks"] == 3


def test_nan_in_a_small_array_of_a_chunk(fake: Fake, run: Run) -> None:
    chunks(fake, b"1", np.array([np.nan]))
    done = run("stream", "give")
    assert (done.code, done.out) == (70, "1\n")
    assert run("stream", "give", "--nan", "null").out == '1\n{"x":[null]}\n'


def test_a_chunk_that_lies_is_named(fake: Fake, run: Run) -> None:
    chunks(fake, b"1", b"\0SPB\x09" + bytes(7) + b"x", b"2")
    done = run("stream", "give")
    assert (done.code, done.out) == (70, "1\n")
    assert done.err.startswith("error: a chunk cannot be read: ")


def test_a_terminal_shows_what_chunks_are(fake: Fake) -> None:
    chunks(fake, b"1", np.array([[1, 2]]), LARGE, Binary(b"a", "x\x1b]0;t\x07"))
    shown = rendered(on_terminal("stream", "give"))
    assert shown[:3] == ["1", '{"x":[[1,2]]}', '{"x":"<float64 [2000], 16.0 kB>"}']
    assert not {"\x07", "\x1b"} & set("\n".join(shown))
    assert "a chunk is binary (int64 [1, 2])" in on_terminal("stream", "give", "--field", "x", "--raw").decode()


# ------------------------------------------------------------------------------------------------- a terminal


def test_a_terminal_shows_what_it_is(fake: Fake) -> None:
    shown = on_terminal("exec", "echo", "a@=small.npy", "b@=large.npy", "c@=photo.png", "t=text")
    text = "\n".join(rendered(shown))
    assert json.loads(text) == {
        "a": [[1, 2], [3, 4]], "b": "<float64 [2000], 16.0 kB>", "c": "<image/png, 264 bytes>", "t": "text",
    }  # fmt: skip


def test_small_bytes_without_a_type_are_base64_there(fake: Fake) -> None:
    Path("blob").write_bytes(b"ab")
    Path("more").write_bytes(bytes(20_000))
    shown = "\n".join(rendered(on_terminal("exec", "echo", "a@=blob", "b@=more")))
    assert json.loads(shown) == {"a": "YWI=", "b": "<bytes, 20.0 kB>"}


def test_a_type_is_no_command_to_the_terminal(fake: Fake) -> None:
    answer(fake, Binary(b"a", 'x\x1b]0;t\x07"\u202e'))
    text = "\n".join(rendered(on_terminal("exec", "give")))
    assert not {"\x07", "\x1b", "\u202e"} & set(text)
    assert "1 bytes>" in text


def test_a_terminal_gets_no_raw_bytes(fake: Fake) -> None:
    shown = on_terminal("exec", "echo", "x@=photo.png", "--field", "x", "--raw").decode()
    assert "the result is binary (image/png): a terminal cannot show it" in shown
    assert "PNG" not in shown


# --------------------------------------------------------------------------------------------------- variables


def variable(fake: Fake, value: Any) -> None:
    """What `var get` is answered with."""
    body = b"".join(values.encode({"id": "var_x_1", "name": "x", "type": "tensor", "value": value, "version": 0}))
    fake.queries["var_get"] = lambda peer, request, _: peer.send(front.RESULT, request, body)


def test_a_terminal_shows_what_a_variable_holds(fake: Fake) -> None:
    variable(fake, {"shape": [2000], "data": LARGE})
    shown = "\n".join(rendered(on_terminal("var", "get", "x", "--session", "s")))
    assert json.loads(shown) == {"shape": [2000], "data": "<float64 [2000], 16.0 kB>"}
    assert fake.asked[-1]["binary"] is True
    shown = on_terminal("var", "get", "x", "--session", "s", "--raw").decode()
    assert "the value is binary (float64 [2000]): a terminal cannot show it" in shown


def test_raw_bytes_of_a_variable(fake: Fake) -> None:
    variable(fake, {"shape": [2000], "data": LARGE})
    with start("var", "get", "x", "--session", "s", "--raw") as process:
        out, _ = process.communicate(timeout=60)
    assert out == LARGE.tobytes()


def test_a_long_array_is_sent_as_a_part(fake: Fake) -> None:
    fake.queries["var_set"] = {"name": "x", "version": 0}
    sent: list[bytes] = []
    answer = Fake._handle

    def handle(self: Fake, peer: Peer, kind: int, request: int, body: bytes) -> None:
        sent.append(body)
        answer(self, peer, kind, request, body if body[:1] == b"{" else b'{"op":"var_set"}')

    fake._handle = handle.__get__(fake)  # type: ignore[method-assign]
    assert finish(start("var", "set", "x", "@large.npy", "--session", "s")) == (0, "", "")
    assert finish(start("var", "set", "x", "@small.npy", "--session", "s")) == (0, "", "")
    found = values.decode(sent[0])
    assert (found["op"], found["value"].tolist()) == ("var_set", LARGE.tolist())
    assert json.loads(sent[1])["value"] == {"shape": [2, 2], "data": [1, 2, 3, 4]}


# -------------------------------------------------------------------------------------------------- into files


def test_results_in_files(fake: Fake, run: Run) -> None:
    for field, name in {"a": "a.npy", "b": "b.NPY", "c": "c.png", "d": "d.bin"}.items():
        words = ["a@=small.npy", "b@=large.npy", "c@=photo.png", "d@=large.npy"]
        assert run("exec", "echo", *words, "--field", field, "-o", name) == (0, "", "")
    assert np.array_equal(np.load("a.npy"), [[1, 2], [3, 4]])
    assert np.array_equal(np.load("b.NPY"), LARGE)
    assert Path("c.png").read_bytes() == PNG
    assert Path("d.bin").read_bytes() == LARGE.tobytes()
    assert run("exec", "echo", "a@=small.npy", "n:=1.50", "--output-file=all.json").code == 0
    assert Path("all.json").read_text() == '{"a":[[1,2],[3,4]],"n":1.50}\n'
    assert run("exec", "echo", "n:=1.50", "--field", "n", "--output-file", "n.json").code == 0
    assert Path("n.json").read_text() == "1.50\n"


def test_an_npy_file_that_came_as_bytes(fake: Fake, run: Run) -> None:
    file = io.BytesIO()
    np.save(file, LARGE)
    answer(fake, file.getvalue())
    assert run("exec", "give", "--field", "x", "-o", "x.npy").code == 0
    assert np.array_equal(np.load("x.npy"), LARGE)


def test_arrow_files(fake: Fake, run: Run) -> None:
    answer(fake, Binary(b"stream", ARROW))
    assert run("exec", "give", "--field", "x", "-o", "x.arrow").code == 0
    assert Path("x.arrow").read_bytes() == b"stream"


MISFITS = [
    (["a@=small.npy", "--field", "a"], "f.png", "int64 [2, 2]", "write it into a .npy file"),
    (["c@=photo.png", "--field", "c"], "f.npy", "image/png", "only an array"),
    (["c@=photo.png", "--field", "c"], "f.gif", "image/png", "a file of that type"),
    (["c@=photo.png", "--field", "c"], "f.arrow", "image/png", "a file of that type"),
    (["c@=blob", "--field", "c"], "f.arrow", "bytes", "a file of that type"),
    (["c@=photo.png"], "f.png", "JSON", "choose one of its parts with --field"),
    (["n:=[1,2]"], "f.npy", "JSON", "a .json file"),
]


@pytest.mark.parametrize(("words", "name", "what", "hint"), MISFITS, ids=[one[1] for one in MISFITS])
def test_a_result_that_is_something_else(
    fake: Fake, run: Run, words: list[str], name: str, what: str, hint: str
) -> None:
    Path("blob").write_bytes(b"blob")
    before = sorted(os.listdir())
    done = run("exec", "echo", *words, "--output-file", name)
    assert said(done, 65) == f"--output-file {name}: the result is {what}"
    assert hint in done.err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("verb", ["exec", "stream"])
def test_an_argument_that_does_not_fit_is_named_with_its_file(fake: Fake, full: Run, verb: str) -> None:
    said_by_worker = "`echo`: `image`: must be an array, such as a .npy file; it is 4 bytes of an unknown type"
    fake.answers["echo"] = lambda peer, request, *_: peer.send(
        front.ERROR, request, PitError("invalid_arguments", said_by_worker).as_dict()
    )
    Path("pictures.py").write_bytes(b"text")
    done = full(verb, "echo", "image@=pictures.py", "n=1")
    assert said(done, 65) == said_by_worker.replace("`image`", "`image` (pictures.py)")


@pytest.mark.parametrize("verb", ["exec", "stream"])
def test_arguments_that_fit_into_no_frame_are_named(
    fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(front, "LONGEST", 1_500_000)
    for name in "ab":
        Path(name).write_bytes(bytes(1_000_000))
    done = full(verb, "echo", "a@=a", "b@=b")
    assert said(done, 65).startswith("the message has 2,000,")
    assert "hint: pass the names of files instead" in done.err
    assert fake.calls == []


@pytest.mark.parametrize(
    ("words", "code", "text", "hint"),
    [
        (["exec", "echo", "-o", "missing/f.bin"], 74, "there is no directory", "create the directory first"),
        (["exec", "echo", "-o", "."], 74, "it is a directory", "name a file in that directory"),
        (["exec", "echo", "-o", "/proc/f.bin/x"], 74, "there is no directory", "create the directory first"),
        (["exec", "echo", "-o", "/dev/null/f.bin"], 74, "Not a directory", "a part of the path is a file"),
        (["exec", "echo", "-o", "f" * 300], 74, "File name too long", "use a shorter name"),
        (["exec", "echo", "-o", ""], 2, "--output-file needs the name of a file", "run `snakepit exec --help`"),
        (["exec", "echo", "-o", "f", "--raw"], 2, "--output-file excludes --json and --raw", "snakepit exec --help"),
    ],
)
def test_what_is_wrong_is_said_before_the_call(
    fake: Fake, full: Run, words: list[str], code: int, text: str, hint: str
) -> None:
    done = full(*words)
    assert text in said(done, code)
    assert f"{hint}" in done.err.partition("hint: ")[2]
    assert fake.calls == []


def test_an_error_leaves_the_file_as_it_was(fake: Fake, run: Run) -> None:
    Path("f.json").write_text("before")
    assert run("exec", "fail", "-o", "f.json").code == 1
    assert Path("f.json").read_text() == "before"


def test_the_fast_path_takes_them_all(fake: Fake) -> None:
    code, out, err = finish(start("exec", "echo", "x@=small.npy", "-o", "x.json"))
    assert (code, out, err) == (0, "", "")
    assert Path("x.json").read_text() == '{"x":[[1,2],[3,4]]}\n'
