"""Output of workers: always drained, never more than the cap."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from snakepit_cli.warden.records import logs


def test_the_cap_holds_and_the_newest_is_kept(tmp_path: Path) -> None:
    log = logs.CappedLog(tmp_path / "a.log")
    for n in range(4000):
        log.write(b"%07d " % n * 128)
    log.close()
    newer, older = tmp_path / "a.log", tmp_path / "a.log.1"
    assert newer.stat().st_size <= logs.CAP
    assert older.stat().st_size <= logs.CAP
    assert b"0003999" in newer.read_bytes()


def test_a_log_continues_where_an_earlier_run_stopped(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = logs.CappedLog(tmp_path / "a.log")
        log.write(text)
        log.close()
    assert (tmp_path / "a.log").read_bytes() == b"one\ntwo\n"


def test_a_planted_symlink_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "a.log").symlink_to(target)
    log = logs.CappedLog(tmp_path / "a.log")
    log.write(b"overwritten?")
    assert target.read_text() == "precious"


def test_a_writer_never_blocks_and_its_last_lines_are_known(tmp_path: Path) -> None:
    pump = logs.Pump(logs.CappedLog(tmp_path / "a.log"))
    writer = subprocess.Popen(["/bin/sh", "-c", "yes | head -c 30000000; echo; echo the end"], stdout=pump.write_end)
    pump.close_write_end()
    os.set_blocking(pump.fd, True)
    while pump.pump() is not None:
        pass
    assert writer.wait(timeout=10) == 0
    assert pump.tail()[-1] == "the end"
    pump.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * logs.CAP


def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    (tmp_path / "full.log").symlink_to("/dev/full")
    log = logs.CappedLog(Path("/nonexistent/a.log"))
    log.write(b"lost")


def test_draining_ends_although_a_descendant_goes_on_writing(tmp_path: Path) -> None:
    pump = logs.Pump(logs.CappedLog(tmp_path / "a.log"))
    with subprocess.Popen(["yes"], stdout=pump.write_end) as writer:
        pump.close_write_end()
        pump.drain()
        pump.close()
        writer.kill()


def test_old_logs_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    for path in (old, new):
        path.write_text("x")
    os.utime(old, (0, 0))
    logs.prune(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new.log"]


@pytest.mark.parametrize("at_once", [True, False], ids=["in one write", "in many"])
def test_the_last_lines_are_known_however_they_came(tmp_path: Path, at_once: bool) -> None:
    pump = logs.Pump(logs.CappedLog(tmp_path / "a.log"))
    lines = [f"line {number}" for number in range(100)]
    for text in ["\n".join(lines)] if at_once else [f"{line}\n" for line in lines]:
        os.write(pump.write_end, text.encode())
        pump.pump()
    assert pump.tail() == lines[-20:]
    pump.close()


class TestOldLogs:
    def die(self, old: logs.OldLogs, folder: Path, pool: str, numbers: range) -> None:
        for number in numbers:
            path = folder / f"{pool}-{number}.log"
            path.write_text("x")
            path.with_name(f"{path.name}.1").write_text("x")
            old.buried(pool, path)

    def left(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir())

    def test_the_newest_of_a_pool_stay_with_their_older_halves(self, tmp_path: Path) -> None:
        old = logs.OldLogs()
        self.die(old, tmp_path, "p", range(100))
        self.die(old, tmp_path, "q", range(1))
        newest = [f"p-{number}.log" for number in range(100 - logs.KEEP_OF_POOL, 100)] + ["q-0.log"]
        assert self.left(tmp_path) == sorted(newest + [f"{name}.1" for name in newest])

    def test_of_many_pools_the_newest_stay(self, tmp_path: Path) -> None:
        old = logs.OldLogs()
        for pool in range(logs.KEEP + 5):
            self.die(old, tmp_path, f"p{pool}", range(1))
        assert len(self.left(tmp_path)) == 2 * logs.KEEP
        assert not (tmp_path / "p4-0.log").exists()

    def test_the_log_of_one_that_lives_again_stays(self, tmp_path: Path) -> None:
        old = logs.OldLogs()
        self.die(old, tmp_path, "p", range(1))
        old.born(tmp_path / "p-0.log")
        self.die(old, tmp_path, "p", range(1, 100))
        assert (tmp_path / "p-0.log").exists()

    def test_those_that_never_printed_have_none_and_count_nothing(self, tmp_path: Path) -> None:
        old = logs.OldLogs()
        self.die(old, tmp_path, "p", range(1))
        for number in range(1, 100):
            old.buried("p", tmp_path / f"p-{number}.log")
        assert (tmp_path / "p-0.log").exists()


def test_each_line_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(9))
    monkeypatch.setattr(logs, "now", lambda: f"t{next(times)}")
    pump = logs.Pump(logs.CappedLog(tmp_path / "a.log"))
    for text in ("one\n", "ha", "lf\n\nthree", "\n"):
        os.write(pump.write_end, text.encode())
        pump.pump()
    pump.close()
    assert (tmp_path / "a.log").read_text() == "t0 one\nt1 half\nt2 \nt2 three\n"
