"""What only a real process shows: signals, broken pipes, terminals, imports, closed standard streams."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.wire import front
from tests.unit.client.fake import Fake, Peer

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "snakepit_cli"]
# `--color never` is not a plain form: it makes the other path do the same.
PATHS = pytest.mark.parametrize("path", [[], ["--color", "never"]], ids=["fast", "full"])
SECONDS = 20.0


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/bridges/python"}


def start(*argv: str, **options: Any) -> subprocess.Popen[bytes]:
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()}
    return subprocess.Popen([*COMMAND, *argv], **{**given, **options})


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    with process:
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, (out or b"").decode(), (err or b"").decode()


def line(process: subprocess.Popen[bytes]) -> bytes:
    """The next line that is not empty."""
    assert process.stderr is not None
    while True:
        text = process.stderr.readline()
        if text.strip() or not text:
            return text


@PATHS
def test_ctrl_c_cancels_and_waits_for_the_end(fake: Fake, path: list[str]) -> None:
    def end(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.RESULT, request, b"null")

    fake.answers["on_cancel"] = end
    process = start("exec", "never", *path)
    assert fake.seen.wait(SECONDS)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert err.strip() == "cancelling… (press again to leave now)"
    assert fake.cancelled.is_set()


@PATHS
def test_a_second_ctrl_c_leaves_at_once(fake: Fake, path: list[str]) -> None:
    process = start("stream", "never", *path)
    assert fake.seen.wait(SECONDS)
    process.send_signal(signal.SIGINT)
    assert line(process).decode().startswith("cancelling")
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    assert time.monotonic() - before < 3
    assert fake.closed.wait(SECONDS)


def test_ctrl_c_while_the_output_is_not_read(fake: Fake) -> None:
    fake.answers["on_cancel"] = lambda peer, request, *_: peer.send(front.RESULT, request, b"null")
    flowing = threading.Event()

    def flood(peer: Peer, request: int, *_: object) -> None:
        for _ in range(16):
            peer.send(front.CHUNKS, request, b'"%s"\n' % (b"x" * 100_000))
        flowing.set()

    fake.answers["flood"] = flood
    process = start("stream", "flood", "-q")
    assert fake.seen.wait(SECONDS)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert (code, err) == (130, "")


def test_sigterm_ends_it(fake: Fake) -> None:
    process = start("exec", "never")
    assert fake.seen.wait(SECONDS)
    process.terminate()
    assert finish(process)[0] == -signal.SIGTERM
    assert fake.closed.wait(SECONDS)


def test_sigint_stays_ignored_when_it_was(fake: Fake) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    go = threading.Event()

    def wait(peer: Peer, request: int, *_: object) -> None:
        go.wait(SECONDS)
        peer.send(front.RESULT, request, b"1")

    fake.answers["wait"] = wait
    process = start("exec", "wait", preexec_fn=ignore)
    assert fake.seen.wait(SECONDS)
    process.send_signal(signal.SIGINT)
    go.set()
    assert finish(process) == (0, "1\n", "")


@PATHS
def test_a_closed_reader_is_no_error(fake: Fake, path: list[str]) -> None:
    process = start("stream", "count", "n:=500000", "block:=1000", *path)
    assert process.stdout is not None
    assert process.stdout.readline() == b'{"i":0}\n'
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    with process:
        assert process.wait(SECONDS) == 141


@PATHS
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_named(fake: Fake, path: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        code, _, err = finish(start("exec", "ping", *path, stdout=full))
    assert code == 74
    assert "No space left" in err


def test_help_to_a_closed_reader(places: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code, _, err = finish(start("exec", "--help", stdout=writer))
    os.close(writer)
    assert (code, err) == (141, "")


def test_a_non_blocking_output_is_waited_for(fake: Fake) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = start("stream", "count", "n:=100000", "block:=1000", stdout=writer)
    os.close(writer)
    assert fake.seen.wait(SECONDS)
    with open(reader, "rb") as file:
        assert len(file.read().splitlines()) == 100_000
    assert finish(process)[0] == 0


@PATHS
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_closed_standard_streams(fake: Fake, path: list[str], closed: int) -> None:
    """The socket must not take their place."""
    words = [*COMMAND, "exec", "ping", *path]
    script = f'exec "$@" {closed}{"<" if closed == 0 else ">"}&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *words], capture_output=True, env=environment(), timeout=SECONDS, check=False
    )
    assert done.returncode == (74 if closed == 1 else 0)
    assert done.stdout == (b"" if closed == 1 else b'"pong"\n')


def on_terminal(*argv: str, until: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """What a terminal shows of a command."""
    main, side = pty.openpty()
    process = start(*argv, stdout=side, stderr=side, stdin=side)
    os.close(side)
    shown = b""
    while select.select([main], [], [], SECONDS)[0]:
        try:
            data = os.read(main, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(main)
    with process:
        process.wait(SECONDS)
    return shown


def test_a_terminal_gets_colours_and_indentation(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = on_terminal("exec", "echo", "a:=1.0").replace(b"\r\n", b"\n")
    assert shown == b'{\n  \x1b[1;34m"a"\x1b[0m: \x1b[36m1.0\x1b[0m\n}\n'
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal("exec", "echo", "a:=1.0").replace(b"\r\n", b"\n") == b'{\n  "a": 1.0\n}\n'
    assert b"\x1b" in on_terminal("exec", "echo", "a:=1.0", "--color", "always")
    assert on_terminal("exec", "echo", "a:=1", "--json") == b'{"a":1}\r\n'


@pytest.mark.parametrize("argv", [["--no-start", "status"], ["--no-start", "workers"]], ids=str)
def test_ctrl_c_while_it_starts_ends_it_without_a_word(fake: Fake, argv: list[str]) -> None:
    """Whatever is being imported: the finder of modules stands for all of them."""
    code = (
        "import os, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.argv = ['snakepit', *{argv!r}]\nfrom snakepit_cli import fast\n"
        "class Interrupts:\n    def find_spec(self, name, path=None, target=None):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\nfast.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_the_fast_path_imports_next_to_nothing(fake: Fake) -> None:
    code = (
        "import os, sys\nbefore = set(sys.modules)\nsys.argv = ['snakepit', 'exec', 'echo', 'a=1', '--timeout', '9']\n"
        "os._exit = lambda code: print(code, *sorted(set(sys.modules) - before))\n"
        "from snakepit_cli import fast\nfast.main()"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
        timeout=SECONDS,
    )
    result, told = done.stdout.splitlines()
    code, *modules = told.split()
    assert (result, code) == ('{"a":"1"}', "0")
    ours = {name for name in modules if name.startswith("snakepit_cli")}
    assert set(modules) - ours <= {"_socket", "_json", "__future__", "sysconfig"}
    light = (
        "base base.paths base.durations client client.call client.call.arguments client.call.call "
        "client.call.request fast wire wire.front"
    )
    assert ours == {"snakepit_cli", *(f"snakepit_cli.{name}" for name in light.split())}
