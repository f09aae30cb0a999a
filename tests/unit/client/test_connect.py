"""Starting a server: by one of many, explained when it fails, and inheriting nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.connect import find, start_warden, stop
from snakepit_cli.launch.environment import for_workers
from tests.unit.client.fake import Fake

# A warden reduced to what a client sees of one: it takes the lock, listens, and says so.
WARDEN = """
import fcntl, json, os, socket, sys, time
ready = int(sys.argv[1])
state, run = os.environ["SNAKEPIT_STATE_DIR"] + "/default", os.environ["SNAKEPIT_RUNTIME_DIR"] + "/default"
lock = open(state + "/lock", "a")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    os.write(ready, json.dumps({"locked": True}).encode() + b"\\n")
    sys.exit(75)
files = []
for fd in os.listdir("/proc/self/fd"):
    try:
        files.append(os.readlink("/proc/self/fd/" + fd))
    except FileNotFoundError:
        pass
open(state + "/started", "a").write(json.dumps({
    "pid": os.getpid(), "files": files, "env": dict(os.environ), "cwd": os.getcwd(),
}) + "\\n")
listener = socket.socket(socket.AF_UNIX)
listener.bind(run + "/front.sock")
listener.listen(64)
os.write(ready, json.dumps({"accepting": run + "/front.sock", "pid": os.getpid()}).encode() + b"\\n")
os.close(ready)
listener.settimeout(20)
peers = []
while True:
    peers.append(listener.accept()[0])
"""


@pytest.fixture
def started(places: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Makes a start run our warden; yields the file that tells which ones ran."""
    command = use(monkeypatch, WARDEN)
    path = places / "state" / "default" / "started"
    yield path
    if path.exists():
        for line in path.read_text().splitlines():
            os.kill(json.loads(line)["pid"], signal.SIGKILL)
    assert command


def use(monkeypatch: pytest.MonkeyPatch, script: str) -> str:
    monkeypatch.setattr(start_warden, "command", lambda *words: [sys.executable, "-c", script, words[-1]])
    return script


def test_one_of_many_starts_it(started: Path) -> None:
    found, failed = [], []

    def one() -> None:
        try:
            found.append(find.connect("default"))
        except PitError as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for sock in found:
        sock.close()
    assert (len(found), failed) == (16, [])
    assert len(started.read_text().splitlines()) == 1


def test_it_inherits_nothing(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEPIT_COOKIE", "secret")
    monkeypatch.setenv("SNAKEPIT_TOKEN_FD", "7")
    monkeypatch.setenv("PYTHONPATH", "relative")
    pipe = os.pipe()
    for end in pipe:
        os.set_inheritable(end, True)
    find.connect("default").close()
    told = json.loads(started.read_text())
    assert os.readlink(f"/proc/self/fd/{pipe[0]}") not in told["files"]
    for end in pipe:
        os.close(end)
    assert sum(name.startswith("pipe:") for name in told["files"]) == 1
    assert told["cwd"] == "/"
    assert told["env"]["SNAKEPIT_INSTANCE"] == "default"
    assert told["env"]["PYTHONPATH"] == os.path.abspath("relative")
    assert not {"SNAKEPIT_COOKIE", "SNAKEPIT_TOKEN_FD"} & set(told["env"])


@pytest.mark.parametrize("name", ["types.py", "random.py", "json"])
def test_modules_named_like_those_of_python_are_for_workers_only(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would break the warden, the server and the reaper."""
    bad, good, ours = (tmp_path / part for part in ("bad", "good", "ours"))
    for folder in (bad, good, ours):
        folder.mkdir()
    (bad / name).mkdir()
    (ours / name).mkdir()
    (ours / "snakepit_cli").mkdir()
    (good / "sitecustomize.py").touch()
    path = f"{bad}:{good}:{ours}:/nonexistent"
    monkeypatch.setenv("PYTHONPATH", path)
    env = start_warden.environment("default")
    assert env["PYTHONPATH"] == f"{good}:{ours}:/nonexistent"
    assert for_workers(env)["PYTHONPATH"] == path
    monkeypatch.setenv("PYTHONPATH", str(bad))
    env = start_warden.environment("default")
    assert "PYTHONPATH" not in env
    assert for_workers(env)["PYTHONPATH"] == str(bad)
    assert not [name for name in for_workers(env) if "CALLERS" in name]


def test_pythonhome_is_for_workers_only_when_we_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    assert start_warden.environment("default")["PYTHONHOME"] == "/nonexistent", "we live with it ourselves"
    monkeypatch.setattr(start_warden.sys, "flags", type("Flags", (), {"ignore_environment": 1}))
    env = start_warden.environment("default")
    assert "PYTHONHOME" not in env
    assert for_workers(env)["PYTHONHOME"] == "/nonexistent"


def test_our_output_is_not_kept_open(places: Path, started: Path) -> None:
    """`out=$(snakepit …)` ends although the server lives on."""
    code = (
        "import sys; from snakepit_cli.client.connect import find, start_warden\n"
        f"start_warden.command = lambda *words: [sys.executable, '-c', {WARDEN!r}, words[-1]]\n"
        "find.connect('default')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=20, check=True, env=dict(os.environ)
    )
    assert done.stdout == b""
    assert started.exists()


def test_a_warden_that_is_ending_is_waited_for(places: Path, started: Path) -> None:
    state = Path(start_warden.prepare("default").state)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(state / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        done: list[object] = []
        thread = threading.Thread(target=lambda: done.append(find.connect("default")))
        thread.start()
        thread.join(0.3)
        assert not done
        holder.stdin.close()
        thread.join(20)
    assert done
    done[0].close()  # type: ignore[attr-defined]
    assert len(started.read_text().splitlines()) == 1


def test_an_early_crash_is_explained(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "raise SystemExit('cannot find my shoes')")
    with pytest.raises(PitError) as raised:
        find.connect("default")
    assert raised.value.kind == "unavailable"
    assert raised.value.detail["log"][-1] == "cannot find my shoes"


def test_an_error_of_the_warden_is_passed_on(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"error": {"kind": "unsafe_directory", "message": "not there", "log": ["a line"]}}
    line = json.dumps(said).encode() + b"\n"
    use(monkeypatch, f"import os, sys; os.write(int(sys.argv[1]), {line!r})")
    with pytest.raises(PitError) as raised:
        find.connect("default")
    assert (raised.value.kind, raised.value.message, raised.value.detail["log"]) == (
        "unsafe_directory",
        "not there",
        ["a line"],
    )


def test_a_start_that_hangs_ends(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "import sys, time; print('thinking', file=sys.stderr, flush=True); time.sleep(60)")
    monkeypatch.setattr(find, "_START_SECONDS", 0.7)
    noticed: list[bool] = []
    with pytest.raises(PitError) as raised:
        find.connect("default", notice=lambda: noticed.append(True))
    assert raised.value.kind == "startup_timeout"
    assert raised.value.detail["log"] == ["thinking"]
    assert noticed == [True]


def test_a_quick_start_is_not_announced(fake: Fake) -> None:
    noticed: list[bool] = []
    find.connect("default", notice=lambda: noticed.append(True)).close()
    assert noticed == []


def test_instances_are_the_folders_of_the_state_root(places: Path) -> None:
    assert stop.instances() == []
    for name, mode in (("a", 0o700), ("b", 0o755), (".odd", 0o700)):
        (places / "state" / name).mkdir(parents=True)
        (places / "state" / name).chmod(mode)
    assert stop.instances() == ["a"]
