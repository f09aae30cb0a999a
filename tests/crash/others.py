"""Other users: what they try, and where a secret must not be found."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from snakepit_cli import __version__
from snakepit_cli.base.errors import KINDS
from snakepit_cli.wire import front
from tests.crash import intruder
from tests.crash.fuzz_wire import attach
from tests.crash.intruder import NOBODY, Target, as_nobody
from tests.crash.oracle import Oracle
from tests.harness import procs, wait

_UNSAFE = {KINDS["unsafe_directory"].exit, KINDS["not_yours"].exit}
_GUESSES = 4
_CONFIG = """
[pools.default]
adapter = {adapter!r}
size = 2
env = {{ VAULT_KEY = {secret!r} }}
[pools.fake]
python = {fake!r}
size = 2
"""
_VAULT = """
import os, time
from snakepit_bridge import command

class Vault:
    @command
    def take(self, text: str = "") -> str:
        return "taken"

    @command
    def give(self, text: str) -> str:
        return text

    @command
    def slow(self, text: str) -> int:
        open(os.path.join(os.path.dirname(__file__), "slow"), "w").close()
        time.sleep(30)
        return 0

    @command
    def rows(self, text: str):
        yield text

    @command
    def fail(self, text: str) -> None:
        raise ValueError("no")

    @command
    def environment(self) -> list:
        return list(os.environ.values())
"""
_FAKE = """#!/bin/sh
[ -n "$SNAKEPIT_TOKEN_FD" ] || exit 1
cat "/proc/self/fd/$SNAKEPIT_TOKEN_FD" >"{folder}/$SNAKEPIT_WORKER_ID"
exec sleep 3600
"""


def other_users(oracle: Oracle) -> None:
    """Uid 65534 knows all paths and pids and tries everything: nothing works. Twenty secrets are found nowhere."""
    os.umask(0)  # whoever starts us may be careless: our own modes are what counts
    oracle.folder.chmod(0o755)
    shared = oracle.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for place, plant in _PLANTS.items():
        _planted(oracle, shared / place.replace(" ", "-"), place, plant)
    target = _open_house(oracle, shared)
    secrets = _Secrets(oracle, target)
    secrets.spread()
    _attacked(oracle, target)
    _door_ajar(oracle, target, secrets)
    secrets.look()


def _at(oracle: Oracle, folder: Path) -> None:
    """Everything of the instance goes there from now on."""
    oracle.env |= {"SNAKEPIT_RUNTIME_DIR": str(folder / "run"), "SNAKEPIT_STATE_DIR": str(folder / "deep" / "state")}
    os.environ.update({k: v for k, v in oracle.env.items() if k.startswith("SNAKEPIT_")})


# ---------------------------------------------------------------------- planted before the instance exists


def _folder(path: Path, mode: int = 0o700) -> None:
    path.mkdir(parents=True)
    path.chmod(mode)


def _plant_link(path: Path) -> None:
    _folder(path.with_name("mine"), 0o777)
    path.symlink_to(path.with_name("mine"))


def _plant_endpoint(path: Path) -> None:
    """A state directory of his own, which names a socket of his own."""
    _folder(path / "default", 0o755)
    (path / "default" / "endpoint.json").write_text(json.dumps({"front": str(path.with_name("front.sock"))}))


_PLANTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a runtime directory of his": ("run", lambda path: _folder(path / "default")),
    "a runtime directory of his, open to all": ("run", lambda path: _folder(path / "default", 0o777)),
    "a link as runtime directory": ("run", _plant_link),
    "a dangling link": ("run", lambda path: path.symlink_to("/nonexistent/nobody")),
    "a pipe as runtime directory": ("run", os.mkfifo),
    "a file as runtime directory": ("run", lambda path: path.touch()),
    "a state directory of his": ("deep/state", lambda path: _folder(path / "default")),
    "a link as state directory": ("deep/state", _plant_link),
    "a pipe as state directory": ("deep/state", os.mkfifo),
    "a state directory that leads to his socket": ("deep/state", _plant_endpoint),
}


def _planted(oracle: Oracle, base: Path, what: str, plant: tuple[str, Callable[[Path], None]]) -> None:
    """The owner's first command must refuse, at once, and give nothing away; or go to a place that is his own."""
    where, action = plant
    for folder in (base, base / "deep"):
        folder.mkdir()
        folder.chmod(0o1777)
    as_nobody(lambda: action(base / where))
    listener = socket.socket(socket.AF_UNIX)
    heard = [base / "front.sock", base / "run" / "default" / "front.sock"]
    path = heard[1] if heard[1].parent.is_dir() else heard[0]
    listener.bind(str(path))
    os.chown(path, NOBODY, NOBODY)
    listener.listen()
    _at(oracle, base)
    client = oracle.start("exec", "ping", "--timeout", "10")
    while client.poll() is None:
        if select.select([listener], [], [], 0.02)[0]:
            oracle.fail(f"{what}: it heard {_heard(listener)!r}")
    _, err = client.communicate()
    oracle.count("attempts")
    if client.returncode not in _UNSAFE:
        oracle.fail(f"{what}: exit {client.returncode}: {err[-300:]}")
    listener.close()
    files = [str(one) for one in base.rglob("*") if one.is_file() and one.stat().st_uid == 0]
    if files:
        oracle.fail(f"{what}: files were written into it: {files}")
    shutil.rmtree(base)


def _heard(listener: socket.socket) -> bytes:
    with listener.accept()[0] as connection:
        connection.settimeout(1.0)
        try:
            return connection.recv(1000)
        except OSError:
            return b""


# ------------------------------------------------------------------------------------- a running instance


def _open_house(oracle: Oracle, shared: Path) -> Target:
    """An instance below a directory where every user may write, started without a umask."""
    base = shared / "home"
    _at(oracle, base)
    base.mkdir(mode=0o755)
    base.chmod(0o755)
    return Target(base / "run" / "default", base / "deep" / "state" / "default", (), (base,))


def _attacked(oracle: Oracle, target: Target) -> None:
    target = Target(target.runtime, target.state, tuple(oracle.members()), target.roots)
    for name, attempt in intruder.ATTEMPTS.items():
        oracle.count("attempts")
        if found := as_nobody(lambda attempt=attempt: attempt(target)):  # type: ignore[misc]
            oracle.fail(f"it could {name}: {str(found)[:300]}")
    oracle.run("exec", "take")


def _door_ajar(oracle: Oracle, target: Target, secrets: _Secrets) -> None:
    """The directory was opened to every user: the server checks each client's uid, and the owner's client refuses."""
    sockets = [target.runtime / "front.sock", target.runtime / "gateway.sock"]
    doors = [target.runtime.parent, target.runtime, *sockets]
    for door in doors:
        door.chmod(0o777 if door in sockets else 0o755)
    query = front.frame(front.QUERY, 1, b'{"op":"status"}')
    seen = front.frame(front.CALL, 1, front.call_body("take", b"{}", version=__version__, cwd="/"))
    guesses = [attach(f"default-{n % 2 + 1}", secrets.all["a guessed token"] + str(n)) for n in range(_GUESSES)]
    replayed = [attach(name, token) for name, token in secrets.tokens()]
    knocks: dict[str, Callable[[], Iterator[str]]] = {
        "ask the server": lambda: intruder.say(sockets[0], query),
        "replay a frame": lambda: intruder.say(sockets[0], seen),
        "say that it is root": lambda: intruder.say(sockets[0], query, forged=True),
        "guess a token": lambda: intruder.say(sockets[1], *guesses),
        "replay a greeting": lambda: intruder.say(sockets[1], *replayed),
    }
    for name, knock in knocks.items():
        oracle.count("attempts")
        answers = as_nobody(lambda knock=knock: list(knock()))  # type: ignore[misc]
        if answers is None:
            oracle.fail(f"{name}: could not be tried")
        elif found := [one for one in answers if not _greeting(one)]:
            oracle.fail(f"it could {name}: {found[:3]}")
    client = oracle.start("exec", "ping")
    client.communicate(timeout=30)
    if client.returncode not in _UNSAFE:
        oracle.fail(f"a runtime directory that is open to all is used: exit {client.returncode}")
    for door in doors:
        door.chmod(0o700)


def _greeting(said: str) -> bool:
    """The server's side of HTTP/2 may come before it looks: its settings, nothing else."""
    return bytes.fromhex(said)[3:4] == b"\4" and b"grpc" not in bytes.fromhex(said)


# -------------------------------------------------------------------------------------------------- secrets


class _Secrets:
    """Values that must not be found anywhere, by what they were."""

    def __init__(self, oracle: Oracle, target: Target) -> None:
        self._oracle = oracle
        self._target = target
        self._said: dict[str, str] = {}
        """What commands that failed have printed."""
        self.all = {name: f"sEcReT{oracle.random.randrange(1 << 60):x}" for name in _NAMES}
        self._tokens = oracle.work / "tokens"
        self._tokens.mkdir(mode=0o700)

    def tokens(self) -> list[tuple[str, str]]:
        return [(file.name, file.read_text()) for file in self._tokens.iterdir()]

    def spread(self) -> None:
        """Uses each where a person would."""
        oracle, all_ = self._oracle, self.all
        oracle.work.chmod(0o700)
        (oracle.work / "vault.py").write_text(_VAULT)
        fake = oracle.work / "fake"
        fake.write_text(_FAKE.format(folder=self._tokens))
        fake.chmod(0o700)
        oracle.configure(
            _CONFIG.format(adapter=str(oracle.work / "vault.py"), secret=all_["configured for a pool"], fake=str(fake))
        )
        (oracle.folder / "config.toml").chmod(0o600)
        (oracle.work / "file").write_text(all_["in a file"])
        oracle.run("exec", "take", CI_TOKEN=all_["in the environment of the first command"])
        oracle.run("up", "fake", "--no-wait")
        wait.until(lambda: sum(bool(token) for _, token in self.tokens()) == 2, "tokens")
        for number, (_, token) in enumerate(self.tokens(), 1):
            all_[f"token {number}"] = token
        all_["the cookie"] = (self._target.state / "cookie").read_text()
        self._well(all_)
        self._badly(all_)
        values = oracle.json("exec", "environment")
        for name in ("in the environment of the first command", "in the environment of a command"):
            if any(all_[name] in value for value in values):
                oracle.fail(f"the secret {name} has reached a worker")

    def _well(self, all_: dict[str, str]) -> None:
        run = self._oracle.run
        run("exec", "take", f"text={all_['a text']}", CI_TOKEN=all_["in the environment of a command"])
        run("exec", "take", f'text:="{all_["a JSON text"]}"')
        run("exec", "take", "--args", json.dumps({"text": all_["in --args"]}))
        run("exec", "take", "text=@file")
        run("exec", "give", f"text={all_['a result']}")
        run("stream", "rows", f"text={all_['a chunk']}")

    def _badly(self, all_: dict[str, str]) -> None:
        self._fails("to an unknown command", "exec", "tkae", "text={}")
        self._fails("for an unknown parameter", "exec", "take", "txet={}")
        self._fails("of a call that fails", "exec", "fail", "text={}")
        self._fails("that is not JSON", "exec", "take", "text:={}")
        self._fails("in --args that are not JSON", "exec", "take", "--args", '{{"text": {}}}')
        self._fails("to an unknown pool", "exec", "take", "--pool", "nobody", "text={}")
        self._fails("of a call that takes too long", "exec", "slow", "--timeout", "0.3", "text={}")
        slow = self._oracle.work / "slow"
        slow.unlink()
        client = self._oracle.start("exec", "slow", f"text={all_['of a call whose worker dies']}")
        wait.until(slow.exists, "the call to begin")
        for worker in self._oracle.json("workers"):
            if worker["running"]:
                procs.kill(worker["pid"], signal.SIGKILL)
        self._said["of a call whose worker dies"] = "".join(client.communicate(timeout=40))

    def _fails(self, name: str, *argv: str) -> None:
        client: subprocess.Popen[str] = self._oracle.start(*(word.format(self.all[name]) for word in argv))
        self._said[name] = "".join(client.communicate(timeout=40))
        if client.returncode == 0:
            self._oracle.fail(f"a secret {name}: did not fail")

    def look(self) -> None:
        """Logs, registry, note of the socket, command lines, and what failing commands have said."""
        places = {str(file): file.read_bytes() for file in self._target.state.rglob("*")
                  if file.is_file() and file.name != "cookie"}  # fmt: skip
        places |= {f"argv of {pid}": title.encode() for pid, title in self._oracle.members().items()}
        places |= {f"the error of a secret {name}": text.encode() for name, text in self._said.items()}
        self._oracle.count("secrets", len(self.all))
        for what, secret in self.all.items():
            for place, text in places.items():
                if secret.encode() in text:
                    self._oracle.fail(f"the secret {what} is in {place}")


_NAMES = (
    "a text", "a JSON text", "in --args", "in a file", "a result", "a chunk", "configured for a pool",
    "in the environment of a command", "in the environment of the first command", "a guessed token",
    "to an unknown command", "for an unknown parameter", "of a call that fails", "that is not JSON",
    "in --args that are not JSON", "to an unknown pool", "of a call that takes too long", "of a call whose worker dies",
)  # fmt: skip
"""And two tokens of workers, and the cookie."""
