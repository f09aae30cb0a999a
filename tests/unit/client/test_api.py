"""The connection as a library sees it, and how an instance is ended."""

from __future__ import annotations

import contextlib
import json
import mmap
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api
from snakepit_cli.client.connect import process, stop
from snakepit_cli.client.connect.find import connect
from snakepit_cli.client.many.calls import Calls
from snakepit_cli.wire import front
from tests.harness import wait
from tests.unit.client.fake import Fake, Peer, error


@pytest.fixture
def connection(fake: Fake) -> Iterator[api.Connection]:
    with api.Connection(connect("default")) as one:
        yield one


def test_many_requests_on_one_connection(connection: api.Connection) -> None:
    assert connection.call("ping") == b'"pong"'
    assert b"".join(connection.stream("count", b'{"n": 3}')) == b'{"i":0}\n{"i":1}\n{"i":2}\n'
    assert connection.query("ping")["version"] == __version__
    with pytest.raises(PitError) as raised:
        connection.call("fail", b'{"kind": "worker_busy"}', pool="p", session="s", timeout=1.0)
    assert raised.value.kind == "worker_busy"
    assert connection.call("echo", b'{"a":1}') == b'{"a":1}'


def test_giving_a_stream_up_cancels_it(fake: Fake, connection: api.Connection) -> None:
    def endless(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.CHUNKS, request, b"1\n")

    fake.answers["endless"] = endless
    blocks = connection.stream("endless")
    assert next(blocks) == b"1\n"
    blocks.close()  # type: ignore[attr-defined]
    assert fake.cancelled.wait(10)
    assert connection.call("ping") == b'"pong"'


def test_a_second_thread_is_refused_and_the_first_one_gets_its_answer(fake: Fake, connection: api.Connection) -> None:
    asked, go = threading.Event(), threading.Event()

    def slow(peer: Peer, request: int, _: Any, arguments: bytes) -> None:
        asked.set()
        threading.Thread(target=lambda: (go.wait(), peer.send(front.RESULT, request, arguments))).start()

    fake.answers["slow"] = slow
    got: list[bytes] = []
    first = threading.Thread(target=lambda: got.append(connection.call("slow", b'{"a":1}')))
    first.start()
    try:
        asked.wait()
        wait.until(connection._in_use.locked, "the first thread to wait for its answer")
        connection._unused.append("/dev/shm/segment")
        for attempt in (lambda: connection.call("echo"), lambda: next(connection.stream("echo"))):
            with pytest.raises(PitError, match="another thread uses this connection"):
                attempt()
    finally:
        go.set()
        first.join()
    assert got == [b'{"a":1}']
    assert list(connection._unused) == ["/dev/shm/segment"], (
        "a refused call must not take what the server is to be told"
    )
    assert connection.call("echo", b'{"b":2}') == b'{"b":2}'


@pytest.mark.parametrize("shape", ["an argument", "several arguments", "a stream", "many calls"])
def test_arguments_of_more_than_four_gibibytes_are_refused_before_anything_is_sent(
    fake: Fake, connection: api.Connection, shape: str
) -> None:
    fake.queries["segments"] = None  # there is no shared memory
    half = memoryview(mmap.mmap(-1, 2 << 30))  # no page of it is used
    attempts: dict[str, Callable[[], object]] = {
        "an argument": lambda: connection.send_call("echo", [half, half], {}),
        "several arguments": lambda: connection.call_value("echo", {"a": half, "b": half}),
        "a stream": lambda: next(connection.stream_values("echo", {"a": half, "b": half})),
        "many calls": lambda: Calls._admit(Calls.__new__(Calls), 4 << 30),
    }
    with pytest.raises(PitError, match=r"the arguments have 4,294,\d{3},\d{3} bytes; at most 4,293,") as raised:
        attempts[shape]()
    assert raised.value.kind == "invalid_arguments"
    assert fake.calls == []
    assert connection.call("echo", b'{"b":2}') == b'{"b":2}'


def test_a_silent_server_is_named(fake: Fake, connection: api.Connection) -> None:
    fake.queries["status"] = lambda *_: None
    with pytest.raises(PitError) as raised:
        connection.query("status", patience=0.05)
    assert raised.value.kind == "unavailable"


def test_an_answer_that_is_no_error_object(fake: Fake, connection: api.Connection) -> None:
    fake.queries["status"] = lambda peer, request, _: peer.send(front.ERROR, request, b"[")
    with pytest.raises(PitError) as raised:
        connection.query("status")
    assert raised.value.kind == "internal"


WARDEN = """
import json, os, signal, socket, sys, time
from snakepit_cli.base import identity
obedient, listener = sys.argv[1:3]
if not int(obedient):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
socket.socket(fileno=int(listener)).listen(64)
one = identity.own()
print(json.dumps({name: getattr(one, name) for name in one.__slots__}), flush=True)
time.sleep(60)
"""


class Warden:
    """A process that can be held for a warden: its command line says so, and it listens."""

    def __init__(self, listener: socket.socket, program: str, *, obedient: bool = True) -> None:
        descriptor = listener.fileno()
        argv = [sys.executable, "-c", WARDEN, str(int(obedient)), str(descriptor), program, "--instance", "default"]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, pass_fds=[descriptor])
        assert self.process.stdout is not None
        self.identity = json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        with self.process:
            self.process.wait()


@pytest.fixture
def wardened(places: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Fake, Warden]]:
    """A fake server with a process of its own that listens, as a warden does."""
    options = {"program": "snakepit_cli.warden", **getattr(request, "param", {})}
    wardens: list[Warden] = []
    server = Fake(places / "run" / "default", lambda listener: wardens.append(Warden(listener, **options)))
    yield server, wardens[0]
    wardens[0].close()
    server.close()


@pytest.fixture(autouse=True)
def _no_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "reap_offline", lambda name, dry_run: [])


def test_down_waits_for_the_wardens_end(wardened: tuple[Fake, Warden]) -> None:
    fake, warden = wardened

    def shutdown(peer: Peer, request: int, query: dict[str, Any]) -> None:
        peer.send(front.RESULT, request, {"pools": 1, "workers": 2, "warden": warden.process.pid})
        warden.process.terminate()

    fake.queries["shutdown"] = shutdown
    assert stop.instance("default", 1.0) == {"pools": 1, "workers": 2, "warden": warden.process.pid, "firm": False}
    assert fake.asked[-1] == {"op": "shutdown", "timeout": 1.0}


def deaf(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not answer, and the limit is short."""
    monkeypatch.setattr(stop, "_SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(stop, "_DEAF_SECONDS", 0.3)
    fake.queries["shutdown"] = lambda *_: None


@pytest.mark.parametrize("wardened", [{"obedient": True}, {"obedient": False}], indirect=True, ids=str)
def test_a_server_that_does_not_answer_is_ended(wardened: tuple[Fake, Warden], monkeypatch: pytest.MonkeyPatch) -> None:
    fake, warden = wardened
    deaf(fake, monkeypatch)
    report = stop.instance("default", 0.05)
    assert report is not None
    assert warden.process.wait(5) in {-15, -9}


@pytest.mark.parametrize("older_kernel", [False, True])
@pytest.mark.parametrize("wardened", [{"program": "a-stranger"}], indirect=True)
def test_what_listens_is_spared_when_it_is_no_warden(
    wardened: tuple[Fake, Warden], monkeypatch: pytest.MonkeyPatch, older_kernel: bool
) -> None:
    fake, stranger = wardened
    deaf(fake, monkeypatch)
    if older_kernel:
        monkeypatch.setattr(process, "_SO_PEERPIDFD", 1000)
    with pytest.raises(PitError, match="has no warden above it"):
        stop.instance("default", 0.05)
    assert stranger.process.poll() is None


@pytest.mark.parametrize("wardened", [{"program": "a-stranger"}, {}], indirect=True, ids=["stranger", "warden"])
def test_a_number_in_an_answer_is_never_signalled(
    wardened: tuple[Fake, Warden], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another PID namespace it is the number of a process that has nothing to do with us."""
    fake, _ = wardened
    deaf(fake, monkeypatch)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as named:
        fake.queries["ping"] = {"version": __version__, "pid": named.pid, "warden": named.pid}
        with contextlib.suppress(PitError):
            stop.instance("default", 0.05)
        assert named.poll() is None
        named.kill()


def endpoint(places: Path, **facts: Any) -> None:
    state = places / "state" / "default"
    state.mkdir(parents=True, mode=0o700)
    (state / "endpoint.json").write_text(json.dumps({"front": "/nowhere/front.sock", **facts}))


def test_a_deaf_warden_is_found_by_its_endpoint(places: Path, wardened: tuple[Fake, Warden]) -> None:
    fake, warden = wardened
    fake.path.unlink()
    endpoint(places, pid=warden.process.pid, identity=warden.identity)
    report = stop.instance("default", 0.1)
    assert report is not None
    assert warden.process.wait(5) == -15


@pytest.mark.parametrize(
    ("change", "message"),
    [({"start": 1}, None), ({"boot": "another"}, None), ({"pidns": 1}, "another PID namespace"), (None, None)],
    ids=str,
)
def test_a_stranger_with_the_wardens_number_is_spared(
    places: Path, wardened: tuple[Fake, Warden], change: dict[str, Any] | None, message: str | None
) -> None:
    """The number was used again, the machine has started anew, it is one of a container, or nothing else is known."""
    fake, stranger = wardened
    fake.path.unlink()
    facts = {} if change is None else {"identity": {**stranger.identity, **change}}
    endpoint(places, pid=stranger.process.pid, **facts)
    with pytest.raises(PitError, match=message) if message else contextlib.nullcontext():
        assert stop.instance("default", 0.1) is None
    assert stranger.process.poll() is None


def test_a_busy_server_of_another_version_says_so(wardened: tuple[Fake, Warden]) -> None:
    fake, warden = wardened
    fake.queries["status"] = {"version": "0.0", "idle_exit": 5.0, "pools": [{"name": "default"}]}
    fake.queries["shutdown"] = lambda peer, request, _: peer.send(
        front.ERROR, request, error("version_skew", "calls are running")
    )
    with pytest.raises(PitError) as raised:
        stop.if_idle("default", 0.1)
    assert raised.value.kind == "version_skew"
    assert fake.asked[-1]["if_idle"] is True
    assert warden.process.poll() is None


def test_pools_that_up_has_made_are_not_ended_for_another_version(wardened: tuple[Fake, Warden]) -> None:
    """An older server ends them when it is asked to: it must not be asked."""
    fake, warden = wardened
    fake.queries["status"] = {"version": "0.0", "idle_exit": None, "pools": [{"name": "a"}, {"name": "b"}]}
    with pytest.raises(PitError, match=r"server is version 0\.0, .*: a, b") as raised:
        stop.if_idle("default", 0.1)
    assert raised.value.kind == "version_skew"
    assert "`snakepit down`" in raised.value.hint
    assert [one["op"] for one in fake.asked] == ["status"]
    assert warden.process.poll() is None


@pytest.mark.parametrize(("kind", "found", "runs"), [("result", "server_restarted", 1), ("error", None, 2)])
def test_only_a_call_that_has_not_run_is_sent_again(
    fake: Fake, tmp_path: Path, kind: str, found: str | None, runs: int
) -> None:
    """An answer that is lost may not be taken for arguments that could not be read."""
    gone = {"path": str(tmp_path / "gone"), "device": 1, "inode": 1, "offset": 0, "length": 5}

    def answer(peer: Peer, request: int, header: dict[str, Any], args: bytes) -> None:
        if args:
            peer.send(front.RESULT, request, b"1")
        elif kind == "result":
            peer.send(front.RESULT_REF, request, gone)
        else:
            peer.send(front.ERROR, request, error("reference_failed", "no"))

    fake.answers["far"] = answer
    fake.queries["segments"] = {
        "folder": str(tmp_path), "name": "c-", "bytes": 1 << 24, "kept": 1 << 24, "longest": 1 << 25,
    }  # fmt: skip
    with api.Connection(connect("default")) as connection:
        if found is None:
            assert connection.call_value("far", {"x": b"a" * 200_000}) == 1
        else:
            with pytest.raises(PitError) as raised:
                connection.call_value("far", {"x": b"a" * 200_000})
            assert raised.value.kind == found
    assert [bool(args) for _, args in fake.calls] == [False, True][:runs]
