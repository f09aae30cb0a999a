"""What is asked wrongly gets a named error, its exit code and a next step, and the server does not mind."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import psutil
import pytest

from snakepit_cli import __version__
from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.client import api
from snakepit_cli.wire import front
from tests.e2e.conftest import SMALL
from tests.harness import wait
from tests.harness.pit import Pit

DEEP = "[" * 10_000 + "]" * 10_000

CASES = [
    (["exec", "pingg"], "command_not_found", "did you mean `ping`"),
    (["stream", "ping_straem"], "command_not_found", "did you mean `ping_stream`"),
    (["exec", "ping", "--pool", "defualt"], "pool_not_found", "did you mean 'default'"),
    (["exec", "ping", "--pool", "zzz"], "pool_not_found", "zzz"),
    (["exec", "echo", "text=@missing.txt"], "input_not_found", "missing.txt: No such file"),
    (["exec", "echo", "text=@."], "input_not_found", "Is a directory"),
    (["exec", "echo", "--args", "@missing.json"], "input_not_found", "missing.json"),
    (["exec", "echo", "text=@latin1.txt"], "invalid_arguments", "not UTF-8"),
    (["exec", "echo", "a:={"], "invalid_arguments", "a: "),
    (["exec", "echo", "a:=1 2"], "invalid_arguments", "a: "),
    (["exec", "echo", "a:="], "invalid_arguments", "a: "),
    (["exec", "echo", "a:=NaN"], "invalid_arguments", "NaN is not JSON"),
    (["exec", "echo", "a:=[1,-Infinity]"], "invalid_arguments", "-Infinity is not JSON"),
    (["exec", "echo", "--args", '{"a": NaN}'], "invalid_arguments", "NaN is not JSON"),
    (["exec", "echo", "--args", "[1]"], "invalid_arguments", "must be a JSON object"),
    (["exec", "echo", f"a:={DEEP}"], "invalid_arguments", "nested more than 500 levels deep"),
    (["exec", "echo", "--args", "@deep.json"], "invalid_arguments", "nested more than 500 levels deep"),
    (["exec", "sleep"], "invalid_arguments", "seconds"),
    (["exec", "sleep", "secs:=1"], "invalid_arguments", "secs"),
    (["exec", "echo", "novalue"], "usage", "key=text"),
    (["exec", "ping", "--timeout", "soon"], "usage", "soon"),
    (["exec", "ping", "--json", "--raw"], "usage", "exclude each other"),
    (["exec"], "usage", "COMMAND"),
    (["exec", "ping", "--frobnicate"], "usage", "--frobnicate"),
    (["frobnicate"], "usage", "frobnicate"),
    (["exec", "ping", "-L", "../up"], "usage", "not an instance name"),
    (["up", "--size", "0"], "usage", "at least 1"),
    (["up", "--size", "100000"], "usage", "1 to 1024"),
    (["up", "a/b"], "usage", "a/b"),
    (["down", "nosuch"], "pool_not_found", "nosuch"),
    (["workers", "--pool", "nosuch"], "pool_not_found", "nosuch"),
    (["exec", "fail", "type=KeyError", "message=gone"], "command_failed", "KeyError"),
    (["stream", "ping_stream", "count:=-1"], "command_failed", "count must be"),
    (["exec", "ping", "--field", "no.such"], "invalid_arguments", "no such key"),
]


@pytest.fixture(scope="module", autouse=True)
def files(warm: Pit) -> None:
    (warm.work / "latin1.txt").write_bytes(b"caf\xe9")
    (warm.work / "deep.json").write_text('{"a":' + DEEP + "}")


@pytest.mark.parametrize(("argv", "kind", "words"), CASES, ids=[" ".join(case[0])[:40] for case in CASES])
def test_errors_are_named(warm: Pit, argv: list[str], kind: str, words: str) -> None:
    before = warm.processes()
    done = warm.run(*argv, check=False)
    if "--json" not in argv:
        assert done.stdout == ""
        first, *others = done.stderr.splitlines()
        assert first.startswith("error: ")
        assert words in done.stderr
        assert kind == "command_failed" or any(line.startswith("hint: ") for line in others), "no next step"
    assert done.returncode == KINDS[kind].exit
    if argv[0] in {"exec", "stream"} and "--raw" not in argv:
        told = warm.run(*argv, "--json", check=False)
        assert (told.returncode, told.stderr) == (KINDS[kind].exit, "")
        error = json.loads(told.stdout)["error"]
        assert (error["kind"], error["exit"]) == (kind, KINDS[kind].exit)
        assert words in error["message"]
        assert error["hint"] or kind == "command_failed"
    assert warm.processes() == before, "the server and its workers go on"


def test_the_traceback_is_the_workers_own(warm: Pit) -> None:
    done = warm.run("exec", "fail", "type=OSError", "message=out of luck", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: OSError: out of luck" in done.stderr
    assert "Traceback from the worker (python)" in done.stderr
    assert "basics.py" in done.stderr
    assert "snakepit_bridge/runtime" not in done.stderr, "our own frames do not help the user"
    error = warm.json("exec", "fail", "type=OSError", "message=out of luck", check=False)["error"]
    assert (error["type"], error["language"]) == ("OSError", "python")
    assert error["traceback"].startswith("Traceback")


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "MemoryError", "StopIteration"])
def test_no_exception_ends_a_worker(warm: Pit, name: str) -> None:
    before = warm.processes()
    assert warm.run("exec", "fail", f"type={name}", check=False).returncode == 1
    assert warm.processes() == before


class TestBeyondTheClient:
    """What our own client would not send, another one may."""

    @pytest.fixture
    def connection(self, warm: Pit) -> api.Connection:
        return connect(warm)

    @pytest.mark.parametrize(
        "arguments",
        [
            b'{"a":NaN}', b'{"a":Infinity}', b'{"a":%s}' % DEEP.encode(), b"[]", b"{", b'{"a":"\xff"}', b"null",
            b"\0" * 100,
        ],
        ids=["nan", "infinity", "deep", "list", "half", "utf8", "null", "zeros"],
    )  # fmt: skip
    def test_arguments_are_checked_by_the_worker(self, connection: api.Connection, arguments: bytes) -> None:
        with connection, pytest.raises(PitError) as caught:
            connection.call("echo", arguments)
        assert caught.value.kind == "invalid_arguments"

    def test_commands_with_odd_names(self, connection: api.Connection) -> None:
        with connection:
            for name in ("", "__init__", "initialize", "a\nb", "\x00", "ä" * 127):
                with pytest.raises(PitError) as caught:
                    connection.call(name)
                assert caught.value.kind == "command_not_found"
            with pytest.raises(PitError, match="at most 255 bytes"):
                connection.call("ä" * 128)
            assert json.loads(connection.call("ping"))["status"] == "pong"

    @pytest.mark.parametrize("seconds", [1e300, 1e18, 0.0, -1.0, -1e300])
    def test_timeouts_of_any_size(self, connection: api.Connection, seconds: float) -> None:
        with connection:
            if seconds > 0:
                assert json.loads(self.call(connection, seconds))["status"] == "pong"
            else:
                with pytest.raises(PitError) as caught:
                    self.call(connection, seconds)
                assert caught.value.exit_code == 124

    @staticmethod
    def call(connection: api.Connection, timeout: float) -> bytes:
        """Without what our client does with the timeout itself."""
        body = front.call_body("ping", b"{}", version=__version__, cwd="/", timeout=timeout)
        request = connection._send(front.CALL, body)
        return next(body for kind, body in connection._answers(request) if kind == front.RESULT)

    def test_a_frame_that_is_no_frame_ends_only_its_connection(self, warm: Pit, connection: api.Connection) -> None:
        with connection:
            connection.sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.sock.recv(1) == b""
        assert warm.run("exec", "ping").returncode == 0

    def test_another_version_is_told_so(self, connection: api.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("snakepit_cli.__version__", "0.0.0")
        with connection, pytest.raises(PitError) as caught:
            connection.call("ping")
        assert (caught.value.kind, caught.value.detail["busy"]) == ("version_skew", False)


def connect(pit: Pit) -> api.Connection:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(pit.folder / "run" / "default" / "front.sock"))
    return api.Connection(sock)


def big_file(pit: Pit) -> Path:
    path = pit.work / "big.txt"
    path.write_text("x" * (64 << 20))
    return path


def test_sixty_four_mebibytes_are_too_many_for_a_message() -> None:
    with Pit(SMALL + "[server]\nshared_memory_bytes = 0\n") as pit:
        pit.run("exec", "ping")
        before = pit.processes()
        done = pit.run("exec", "echo", f"text=@{big_file(pit)}", check=False)
        assert (done.returncode, done.stdout) == (65, "")
        assert "67,1" in done.stderr
        assert "max_message_bytes" in done.stderr
        assert pit.json("exec", "echo", "text=@big.txt", check=False)["error"]["kind"] == "invalid_arguments"
        assert pit.run("exec", "ping").returncode == 0
        assert pit.processes() == before


def test_sixty_four_mebibytes_pass_in_shared_memory(warm: Pit) -> None:
    done = warm.run("exec", "echo", f"text=@{big_file(warm)}")
    assert len(done.stdout) == (64 << 20) + len('{"text":""}\n')


def test_sixty_four_mebibytes_can_be_allowed() -> None:
    with Pit(SMALL + "[server]\nmax_message_bytes = 100_000_000\n") as pit:
        path = big_file(pit)
        done = pit.run("exec", "echo", f"text=@{path}")
        assert len(done.stdout) == (64 << 20) + len('{"text":""}\n')


def test_thirty_mebibytes_pass(warm: Pit) -> None:
    (warm.work / "large.txt").write_text("ä" * (5 << 20))  # six bytes each, escaped
    done = warm.run("exec", "echo", "text=@large.txt")
    assert json.loads(done.stdout) == {"text": "ä" * (5 << 20)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size = ", "config.toml"),
        ("[pools.default]\nsize = -1\n", "pools.default.size"),
        ("[pools.default]\ncolour = 1\n", "config.toml:2: unknown setting pools.default.colour"),
        ('[limits]\nqueue_timeout = "soon"\n', "soon"),
        ("[server]\nmax_message_bytes = 1.5\n", "server.max_message_bytes"),
    ],
)
def test_a_wrong_configuration_is_named(cold: Pit, text: str, words: str) -> None:
    cold.config.write_text(text)
    done = cold.run("exec", "ping", check=False)
    assert (done.returncode, done.stdout) == (78, "")
    assert words in done.stderr
    assert cold.json("up", check=False)["error"]["kind"] == "invalid_configuration"
    foreground = cold.run("server", "run", check=False)
    assert foreground.returncode == 78
    assert words in foreground.stderr
    assert cold.processes() == []


def test_the_memory_of_long_messages_is_given_back() -> None:
    with Pit("[pools.default]\nsize = 1\n") as pit:
        pit.run("exec", "echo", "text=x")
        server = psutil.Process(pit.status()["server"]["pid"])
        before = server.memory_info().rss
        text = "y" * (8 << 20)
        for _ in range(3):
            assert len(pit.run("exec", "echo", "text=@-", input=text).stdout) > 8 << 20
        wait.until(lambda: server.memory_info().rss < before + (12 << 20), "its memory to be small again")
