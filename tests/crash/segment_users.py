"""Commands that use segments while somebody is killed: maps, calls with long arguments and results, and streams."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Protocol

from tests.crash.oracle import Oracle
from tests.harness import wait

_ITEMS = 200_000
_PAD = "x" * 200
_SIZE = 3_000_000
"""Bytes of the arguments of a command: enough that they travel by reference."""
_PATIENCE = 60.0


class User(Protocol):
    """One kind of command. It does not start the instance before `finish`."""

    def begin(self) -> None:
        """Returns when there are first answers."""

    @property
    def pid(self) -> int | None:
        """Of the command that runs."""

    def finish(self) -> None:
        """After somebody was killed, perhaps the command: all answers must come, and be right."""


def _make_input(oracle: Oracle) -> Path:
    source = oracle.work / "in.jsonl"
    source.write_text("".join(f'"{n}{_PAD}"\n' for n in range(_ITEMS)))
    return source


def _check(oracle: Oracle, path: Path, *, whole: bool = True) -> None:
    """Each item has its answer. Without `whole`: those of the first items, the last perhaps cut off."""
    with path.open() as answers:
        lines = [json.loads(line) for line in answers if line.endswith("\n")]
    wanted = [f"{n}{_PAD}"[::-1] for n in range(_ITEMS)]
    if lines != (wanted if whole else wanted[: len(lines)]):
        wrong = next((n for n, (one, other) in enumerate(zip(lines, wanted, strict=False)) if one != other), -1)
        oracle.fail(f"{len(lines)} answers; the first wrong one is line {wrong + 1}: {lines[wrong]!r}")


class MapOfFile:
    """File to file. One that was ended goes on from where its joblog says."""

    ARGV = ("map", "backwards", "--input", "in.jsonl", "--output", "out.jsonl", "--retries", "9", "--joblog", "log")

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._output = oracle.work / "out.jsonl"

    def begin(self) -> None:
        _make_input(self._oracle)
        self._run = self._oracle.start("--no-start", *self.ARGV)
        wait.until(lambda: self._output.exists() and self._output.stat().st_size, "the first answers")

    @property
    def pid(self) -> int | None:
        return self._run.pid if self._run.poll() is None else None

    def finish(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._run.communicate(timeout=_PATIENCE)
        if self._run.poll() is None:
            self._oracle.fail("the map hangs")
        elif self._run.returncode:
            self._oracle.count("maps continued")
            self._oracle.run(*self.ARGV, "--resume-failed")
        _check(self._oracle, self._output)


class MapOfPipes:
    """Between two pipes. One that was ended has given the answers to the first items, and is run again."""

    ARGV = ("map", "backwards", "--retries", "9")

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._output = oracle.work / "out.jsonl"

    def begin(self) -> None:
        self._source = _make_input(self._oracle)
        self._run, self._ends = self._start("--no-start")
        wait.until(lambda: self._output.exists() and self._output.stat().st_size, "the first answers")

    def _start(self, *options: str) -> tuple[subprocess.Popen[str], list[subprocess.Popen[str]]]:
        """The map, and what is before and behind it."""
        with self._output.open("w") as output:
            before = self._child(["cat", str(self._source)], None, subprocess.PIPE)
            run = self._oracle.start(*options, *self.ARGV, stdin=before.stdout)
            behind = self._child(["cat"], run.stdout, output)
        for pipe in (before.stdout, run.stdout):
            assert pipe is not None
            pipe.close()
        run.stdout = None
        return run, [before, behind]

    def _child(self, argv: list[str], stdin: object, stdout: object) -> subprocess.Popen[str]:
        child = subprocess.Popen(argv, stdin=stdin, stdout=stdout, text=True)  # type: ignore[call-overload]
        self._oracle.clients.append(child)
        return child  # type: ignore[no-any-return]

    @property
    def pid(self) -> int | None:
        return self._run.pid if self._run.poll() is None else None

    def finish(self) -> None:
        killed = self._wait() < 0
        if self._run.returncode:
            if killed:
                _check(self._oracle, self._output, whole=False)
            self._oracle.count("maps run again")
            self._run, self._ends = self._start()
            if code := self._wait():
                self._oracle.fail(f"the map has exited with {code}")
        _check(self._oracle, self._output)

    def _wait(self) -> int:
        try:
            for one in (self._run, *self._ends):
                one.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._oracle.fail("the map hangs")
        return self._run.poll() or 0


class Commands:
    """The same command again and again."""

    def __init__(self, oracle: Oracle, *argv: str, backwards: bool) -> None:
        self._oracle = oracle
        self._argv = (*argv, "data@=long", "--raw")
        self._text = "".join(f"{n:09d}\n" for n in range(_SIZE // 10))
        self._wanted = self._text[::-1] if backwards else self._text
        self._enough = threading.Event()
        self._run: subprocess.Popen[str] | None = None
        self._answers = 0
        self._thread = threading.Thread(target=self._go_on)

    def begin(self) -> None:
        (self._oracle.work / "long").write_text(self._text)
        self._thread.start()
        wait.until(lambda: self._answers, "the first answers")

    @property
    def pid(self) -> int | None:
        run = self._run
        return None if run is None or run.poll() is not None else run.pid

    def _go_on(self) -> None:
        while not self._enough.is_set():
            self._run = run = self._oracle.start("--no-start", *self._argv)
            try:
                out, err = run.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                self._oracle.fail(f"{self._argv[0]} hangs")
                return
            if run.returncode == 0:
                self._judge(out)
            elif run.returncode > 0 and not err.startswith("error: "):
                self._oracle.fail(f"{self._argv[0]}: exit {run.returncode}: {err.strip()[-400:]}")
            else:
                time.sleep(0.01)  # there may be no instance for a while

    def _judge(self, out: str) -> None:
        if out.removesuffix("\n") != self._wanted.removesuffix("\n"):
            self._oracle.fail(f"{self._argv[0]}: an answer of {len(out)} bytes is not the right one")
        self._answers += 1

    def finish(self) -> None:
        self._enough.set()
        self._thread.join()
        self._judge(self._oracle.run(*self._argv))
        self._oracle.count(f"answers of {self._argv[0]}", self._answers)


USERS = {
    "map of a file": MapOfFile,
    "map of pipes": MapOfPipes,
    "exec": lambda oracle: Commands(oracle, "exec", "turned", backwards=True),
    "stream": lambda oracle: Commands(oracle, "stream", "parts", backwards=False),
}
