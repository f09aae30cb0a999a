"""exec and stream by both paths: the same requests, answers, errors and exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from snakepit_cli.base.errors import KINDS
from snakepit_cli.wire import front
from tests.unit.cli.conftest import Run
from tests.unit.client.fake import Fake, Peer, error


def test_a_result_is_printed_as_it_came(fake: Fake, run: Run) -> None:
    done = run("exec", "echo", "a=1", "b:=[1.0,  1e3]", "--json")
    assert done == (0, '{"a":"1","b":[1.0,  1e3]}\n', "")
    header, arguments = fake.calls[0]
    known = {"version": header["version"], "command": "echo", "cwd": str(Path.cwd())}
    assert header == {**known, "binary": True, "references": True}
    assert arguments == b'{"a":"1","b":[1.0,  1e3]}'


def test_options_reach_the_server(fake: Fake, run: Run) -> None:
    assert run("exec", "ping", "--pool", "gpu", "--session=s1", "--timeout", "1m30s").code == 0
    header, _ = fake.calls[0]
    assert (header["pool"], header["session"], header["timeout"]) == ("gpu", "s1", 90.0)


def test_the_environment_gives_defaults(fake: Fake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEPIT_POOL", "gpu")
    monkeypatch.setenv("SNAKEPIT_SESSION", "s2")
    run("exec", "ping")
    run("exec", "ping", "--pool", "cpu")
    assert [(header["pool"], header["session"]) for header, _ in fake.calls] == [("gpu", "s2"), ("cpu", "s2")]


def test_metadata_travels_with_the_call(fake: Fake, run: Run) -> None:
    run("exec", "ping", "--meta", "user=ada", "--meta=query=a=b", "--meta", "user=eve")
    run("stream", "count", "--meta", "empty=")
    assert [header["metadata"] for header, _ in fake.calls] == [{"user": "eve", "query": "a=b"}, {"empty": ""}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--meta", "user"], "--meta user: write it as KEY=VALUE"),
        (["--meta", "=ada"], "--meta =ada: write it as KEY=VALUE"),
        ([f"--meta=k{n}=v" for n in range(33)], "--meta: at most 32 entries, not 33"),
        (["--meta", "k=" + "ä" * 2045], "--meta: at most 4,096 bytes together"),
    ],
)
def test_metadata_that_is_refused(fake: Fake, full: Run, words: list[str], said: str) -> None:
    done = full("stream", "count", *words)
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {said}")
    assert fake.calls == []


def test_as_much_metadata_as_may_be(fake: Fake, run: Run) -> None:
    assert run("exec", "ping", "--meta", "k=" + "ä" * 2044).code == 0
    assert len(json.dumps(fake.calls[0][0]["metadata"], ensure_ascii=False, separators=(",", ":")).encode()) == 4096


def test_what_becomes_of_nan_travels_with_the_call(fake: Fake, run: Run) -> None:
    run("exec", "ping", "--nan", "null")
    run("stream", "count", "--nan=refuse")
    assert [header["nan"] for header, _ in fake.calls] == ["null", "refuse"]


def test_another_form_of_nan_is_refused(fake: Fake, full: Run) -> None:
    done = full("exec", "ping", "--nan", "odd")
    assert fake.calls == []
    assert (done.code, done.err.splitlines()[0]) == (2, "error: --nan odd: choose one of refuse, null")


def test_a_field_that_only_some_chunks_have(fake: Fake, run: Run) -> None:
    def mixed(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.CHUNKS, request, b'{"line":"a"}\n{"total":2}\n{"line":"b"}\n')
        peer.send(front.RESULT, request, b"null")

    fake.answers["mixed"] = mixed
    assert run("stream", "mixed", "--field", "line", "--raw").out == "a\nb\n"
    typo = run("stream", "mixed", "--field", "lime")
    assert (typo.code, typo.out) == (65, "")
    assert "no such key" in typo.err


def test_chunks_are_lines(fake: Fake, run: Run) -> None:
    assert run("stream", "count", "n:=3") == (0, '{"i":0}\n{"i":1}\n{"i":2}\n', "")
    assert fake.calls[0][0]["stream"] is True
    assert run("stream", "count", "n:=4", "--field", "i", "--raw").out == "0\n1\n2\n3\n"


@pytest.mark.parametrize("n", [0, 1, 1000, 200_000])
def test_many_chunks_whatever_the_frames(fake: Fake, run: Run, n: int) -> None:
    done = run("stream", "count", f"n:={n}", f"block:={7 if n < 200_000 else 5000}")
    assert done.out == "".join(f'{{"i":{i}}}\n' for i in range(n))


def test_a_large_result(fake: Fake, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_text("x" * (8 << 20))
    done = run("exec", "echo", f"a=@{path}", "--json")
    assert len(done.out) == (8 << 20) + len('{"a":""}\n')


def test_frames_cut_anywhere(fake: Fake, run: Run) -> None:
    def slowly(peer: Peer, request: int, *_: object) -> None:
        data = front.frame(front.CHUNKS, request, b"1\n") + front.frame(front.RESULT, request, b"null")
        for at in range(len(data)):
            peer.sock.sendall(data[at : at + 1])

    fake.answers["slowly"] = slowly
    assert run("stream", "slowly") == (0, "1\n", "")


def test_arguments_from_files_and_stdin(fake: Fake, run: Run, tmp_path: Path) -> None:
    (tmp_path / "t").write_text('a "text"\n')
    (tmp_path / "j").write_text(" [1, 2] ")
    done = run("exec", "echo", f"t=@{tmp_path}/t", f"j:=@{tmp_path}/j", "at=\\@x", "in:=@-", stdin=b'{"k": 1}')
    assert json.loads(done.out) == {"t": 'a "text"\n', "j": [1, 2], "at": "@x", "in": {"k": 1}}


def test_args_are_the_base_and_items_go_on_top(fake: Fake, run: Run) -> None:
    done = run("exec", "echo", "--args", '{"a": 1, "b": 2}', "b:=3")
    assert json.loads(done.out) == {"a": 1, "b": 3}
    assert json.loads(run("exec", "echo", "--args", "@-", stdin=b'{"z":0}').out) == {"z": 0}


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["a:=NaN"], 65, "NaN"),
        (["a:={"], 65, "property name"),
        (["a:=1 2"], 65, "more after"),
        (["a:=" + "[" * 10_000 + "]" * 10_000], 65, "nested"),
        (["a=@/nowhere/file"], 66, "/nowhere/file"),
        (["a"], 2, "key=text"),
        (["--args", "[1]"], 65, "object"),
        (["--args", "@/nowhere/file"], 66, "/nowhere/file"),
    ],
)
def test_bad_arguments_are_never_sent(fake: Fake, run: Run, argv: list[str], code: int, words: str) -> None:
    done = run("exec", "echo", *argv)
    assert done.code == code
    assert words in done.err
    assert done.out == ""
    assert fake.calls == []
    assert "Traceback" not in done.err


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"output_closed", "version_skew"}))
def test_every_kind_of_error(fake: Fake, run: Run, kind: str) -> None:
    done = run("exec", "fail", f"kind={kind}", "message=something specific")
    assert done.code == KINDS[kind].exit
    assert done.out == ""
    assert done.err.splitlines()[0] == "error: something specific"
    done = run("exec", "fail", f"kind={kind}", "--json")
    assert done.code == KINDS[kind].exit
    assert done.err == ""
    assert json.loads(done.out)["error"]["kind"] == kind


def test_the_workers_traceback_and_log_are_shown(fake: Fake, run: Run) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: bad\x1b[31m\n'
    done = run(
        "exec", "fail", "message=bad", "type=ValueError", f"traceback={trace}", "language=python", "worker=w1",
        'log:=["line one", "line two"]',
    )  # fmt: skip
    assert done.err == (
        "error: ValueError: bad\n"
        'Traceback from the worker (python):\n  File "a.py", line 1\nValueError: bad\ufffd[31m\n'
        "last lines of the log of w1:\n  line one\n  line two\n"
    )


def test_chunks_before_an_error_are_kept(fake: Fake, run: Run) -> None:
    def broken(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.CHUNKS, request, b"1\n2\n")
        peer.send(front.ERROR, request, error("worker_crashed", "it died"))

    fake.answers["broken"] = broken
    done = run("stream", "broken", "--json")
    assert done.code == 71
    lines = done.out.splitlines()
    assert lines[:2] == ["1", "2"]
    assert json.loads(lines[2])["error"]["kind"] == "worker_crashed"


def test_a_lost_connection_is_named(fake: Fake, run: Run) -> None:
    done = run("exec", "drop")
    assert done.code == 71
    assert "connection was lost" in done.err


def test_a_server_that_is_stuck_is_not_waited_for_ever(fake: Fake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snakepit_cli.client.call.call._LATE_SECONDS", 0.0)
    done = run("exec", "never", "--timeout", "50ms")
    assert done.code == 124


def test_fields_and_raw_texts(fake: Fake, run: Run) -> None:
    value = 'v:={"b": [{"c": 1.50}, "t\\u00e9xt"], "n": null}'
    assert run("exec", "echo", value, "--field", "v.b[0].c").out == "1.50\n"
    assert run("exec", "echo", value, "--field", "v.b.1", "--raw").out == "téxt\n"
    assert run("exec", "echo", value, "--field", "v.b[-1]").out == '"t\\u00e9xt"\n'
    missing = run("exec", "echo", value, "--field", "v.x")
    assert missing.code == 65
    assert "b, n" in missing.err
    assert run("exec", "echo", value, "--field", "v.b[2]").code == 65
    assert "no parts" in run("exec", "echo", value, "--field", "v.n.x").err


def test_an_idle_server_of_another_version_is_replaced(fake: Fake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[str] = []

    def old(peer: Peer, request: int, *_: object) -> None:
        if replaced:
            peer.send(front.RESULT, request, b'"new"')
        else:
            peer.send(front.ERROR, request, error("version_skew", "another version", busy=False))

    fake.answers["old"] = old
    monkeypatch.setattr("snakepit_cli.client.connect.stop.if_idle", lambda name, _: replaced.append(name))
    done = run("exec", "old", "a=@-", stdin=b"read once")
    assert (done.code, done.out) == (0, '"new"\n')
    assert replaced == ["default"]
    assert [arguments for _, arguments in fake.calls] == [b'{"a":"read once"}'] * 2


def test_a_busy_server_of_another_version_is_left_alone(fake: Fake, run: Run) -> None:
    done = run("exec", "fail", "kind=version_skew", "busy:=true")
    assert done.code == 76
    assert len(fake.calls) == 1


def test_no_start_means_no_start(places: Path, full: Run) -> None:
    done = full("exec", "ping", "--no-start")
    assert done.code == 69
    assert not (places / "run").exists()
    assert not (places / "state").exists()


def test_bad_arguments_start_nothing(places: Path, full: Run) -> None:
    assert full("exec", "ping", "a:=").code == 65
    assert not (places / "run").exists()


def test_a_foreign_directory_is_refused(places: Path, full: Run) -> None:
    folder = places / "run" / "default"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    done = full("exec", "ping")
    assert done.code == 73
    assert str(folder) in done.err


def test_a_socket_that_nobody_listens_on(places: Path, full: Run) -> None:
    folder = places / "run" / "default"
    folder.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "front.sock"))
    assert full("exec", "ping", "--no-start").code == 69


def test_a_server_of_another_runtime_directory_is_found(fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    state = fake.path.parents[2] / "state" / "default"
    state.mkdir(parents=True, mode=0o700)
    (state / "endpoint.json").write_text(json.dumps({"front": str(fake.path), "pid": 1}))
    monkeypatch.setenv("SNAKEPIT_RUNTIME_DIR", "/nowhere")
    assert full("exec", "ping", "--no-start").code == 0


def test_a_server_of_another_user_is_not_spoken_to(fake: Fake, full: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snakepit_cli.client.connect.find.peer_uid", lambda _: 4242)
    done = full("exec", "ping")
    assert done.code == 77
    assert "4242" in done.err
    assert fake.calls == []


def test_progress_goes_to_stderr(fake: Fake, full: Run) -> None:
    def percents(peer: Peer, request: int, *_: object) -> None:
        for percent in (5, 50, 100):
            peer.send(front.CHUNKS, request, b'{"progress_percent":%d}\n' % percent)
        peer.send(front.RESULT, request, b"null")

    fake.answers["percents"] = percents
    done = full("stream", "percents", "--progress", "plain")
    assert len(done.out.splitlines()) == 3
    first, *_, last = done.err.splitlines()
    assert first == "percents: started"
    assert last.startswith("percents: 100 %, 3 chunks, ")
    told = [json.loads(line) for line in full("stream", "percents", "--progress=jsonl").err.splitlines()]
    assert (told[-1]["chunks"], told[-1]["percent"]) == (3, 100.0)
    assert full("stream", "count", "n:=1", "--progress").err.splitlines()[-1].startswith("count: 1 chunk, ")


@pytest.mark.parametrize(
    ("refusal", "calls"),
    [
        (error("reference_failed", "workers take no references"), 2),
        (error("command_failed", "it failed", cause={"kind": "reference_failed"}), 1),
    ],
    ids=["nothing has run", "it has run"],
)
def test_long_arguments_that_cannot_be_read_where_they_are(
    fake: Fake, run: Run, tmp_path: Path, refusal: dict[str, object], calls: int
) -> None:
    """They are sent as bytes, unless the call has run."""

    def take(peer: Peer, request: int, header: dict[str, object], arguments: bytes) -> None:
        if "args_ref" in header:
            peer.send(front.ERROR, request, refusal)
        else:
            peer.send(front.RESULT, request, len(arguments))

    fake.queries["segments"] = {
        "folder": str(tmp_path),
        "name": "s-",
        "bytes": 64 << 20,
        "kept": 0,
        "longest": 32 << 20,
    }
    fake.answers["take"] = take
    (tmp_path / "long").write_bytes(b"x" * 2_000_000)
    done = run("exec", "take", f"data=@{tmp_path}/long")
    assert (done.code == 0) == (calls == 2), done.err
    assert ["args_ref" in header for header, _ in fake.calls] == [True, False][:calls]
    assert fake.calls[0][1] == b""
