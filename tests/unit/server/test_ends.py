"""How workers end: what is said of it, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.server.pools import pool as pools
from tests.unit.server.harness import Harness, in_instance, until


def test_the_note_of_a_full_disk_goes_when_workers_are_ready(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.full_disk = 3  # the template, then both workers
        answer = await harness.up()
        assert (answer["ready"], answer["start"], answer["note"]) == (2, "template", None)

    in_instance(test, tmp_path)


def test_the_note_of_a_template_that_cannot_be_used_stays(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.threads = True
        answer = await harness.up()
        assert answer["start"] == "exec"
        assert answer["note"].startswith("has threads: ")
        harness.instance.reported({"event": "exited", "worker": "default-1", "code": 1, "log": []})
        await harness.instance.pools["default"].settled(10)
        assert len(harness.warden.ops("template")) == 1

    in_instance(test, tmp_path)


def test_a_worker_that_hung_up_is_given_time_to_exit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal of ours would be reported as what ended it."""

    async def test(harness: Harness) -> None:
        await harness.up()
        pool = harness.instance.pools["default"]
        monkeypatch.setattr(pools, "_EXIT_SECONDS", 0.01)
        first, second = list(pool.workers.values())
        pool.hung_up(first)
        harness.instance.reported({"event": "exited", "worker": first.id, "code": 1, "log": []})
        pool.hung_up(second)
        assert harness.warden.ops("stop") == []
        await until(lambda: harness.warden.ops("stop"))
        assert [order["worker"] for order in harness.warden.ops("stop")] == [second.id]

    in_instance(test, tmp_path)
