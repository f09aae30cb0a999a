"""The connection as a library sees it, and how an instance is ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli import __version__
from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api, stop
from snakepit_cli.client.connect import connect
from snakepit_cli.wire import front
from tests.client.fake import Fake, Peer, error


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


class Warden:
    """A process that can be held for a warden: its command line says so."""

    def __init__(self, obedient: bool = True) -> None:
        code = "import signal, sys, time\n"
        code += "" if obedient else "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        code += "print(flush=True)\ntime.sleep(60)"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "snakepit_cli.warden", "--instance", "default"], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def close(self) -> None:
        self.process.kill()
        with self.process:
            self.process.wait()


@pytest.fixture
def warden(request: pytest.FixtureRequest) -> Iterator[Warden]:
    one = Warden(getattr(request, "param", True))
    yield one
    one.close()


@pytest.fixture(autouse=True)
def _no_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "reap_offline", lambda name, dry_run: [])


def ping(fake: Fake, pid: int) -> None:
    fake.queries["ping"] = {"version": __version__, "pid": 1, "warden": pid}


def test_down_waits_for_the_wardens_end(fake: Fake, warden: Warden) -> None:
    ping(fake, warden.process.pid)

    def shutdown(peer: Peer, request: int, query: dict[str, Any]) -> None:
        peer.send(front.RESULT, request, {"pools": 1, "workers": 2, "warden": warden.process.pid})
        warden.process.terminate()

    fake.queries["shutdown"] = shutdown
    assert stop.instance("default", 1.0) == {"pools": 1, "workers": 2, "warden": warden.process.pid, "firm": False}
    assert fake.asked[-1] == {"op": "shutdown", "timeout": 1.0}


@pytest.mark.parametrize("warden", [True, False], indirect=True, ids=["obedient", "stubborn"])
def test_a_server_that_does_not_answer_is_ended(fake: Fake, warden: Warden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "_SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(stop, "_FIRM_SECONDS", 0.3)
    ping(fake, warden.process.pid)
    fake.queries["shutdown"] = lambda *_: None
    report = stop.instance("default", 0.05)
    assert report is not None
    assert warden.process.wait(5) in {-15, -9}


def test_a_deaf_warden_is_found_by_its_endpoint(places: Path, warden: Warden) -> None:
    state = places / "state" / "default"
    state.mkdir(parents=True, mode=0o700)
    (state / "endpoint.json").write_text(json.dumps({"front": "/nowhere/front.sock", "pid": warden.process.pid}))
    report = stop.instance("default", 0.1)
    assert report is not None
    assert warden.process.wait(5) == -15


def test_a_stranger_with_the_wardens_number_is_spared(places: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with stranger:
        state = places / "state" / "default"
        state.mkdir(parents=True, mode=0o700)
        (state / "endpoint.json").write_text(json.dumps({"front": "/nowhere/front.sock", "pid": stranger.pid}))
        assert stop.instance("default", 0.1) is None
        assert stranger.poll() is None
        stranger.kill()


def test_a_busy_server_of_another_version_says_so(fake: Fake, warden: Warden) -> None:
    ping(fake, warden.process.pid)
    fake.queries["shutdown"] = lambda peer, request, _: peer.send(
        front.ERROR, request, error("version_skew", "calls are running")
    )
    with pytest.raises(PitError) as raised:
        stop.if_idle("default", 0.1)
    assert raised.value.kind == "version_skew"
    assert fake.asked[-1]["if_idle"] is True
    assert warden.process.poll() is None
