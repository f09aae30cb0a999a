"""A template that dies takes no worker with it: those that it should have forked come from another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from tests.unit.server.harness import Harness, in_instance


def vias(harness: Harness) -> set[str]:
    return {fields["via"] for fields in harness.warden.ops("spawn")}


@pytest.mark.parametrize("times", [1, 3])
def test_workers_whose_template_died_come_from_another(times: int, tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.lost = times
        assert (await harness.up())["ready"] == 2
        assert vias(harness) == {"template"}, "a death is no reason to start cold"
        assert len(harness.warden.ops("template")) == times + 1
        assert sorted(harness.instance.pools["default"].workers) == ["default-1", "default-2"]

    in_instance(test, tmp_path)


def test_a_template_whose_base_died_is_asked_for_again(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.dead_bases = 1
        assert (await harness.up())["ready"] == 2
        assert vias(harness) == {"template"}

    in_instance(test, tmp_path)


def test_a_base_that_dies_again_and_again_makes_workers_start_cold(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.dead_bases = 1000
        answer = await harness.up()
        assert (answer["ready"], answer["start"]) == (2, "exec")
        assert answer["note"].startswith("it is gone: ")

    in_instance(test, tmp_path)


def test_a_template_that_dies_again_and_again_is_a_failure(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        harness.warden.lost = 1000
        call = harness.call(timeout=60)
        pool = harness.instance.pools["default"]
        with pytest.raises(PitError, match="its template is gone"):
            await pool.settled(60)
        assert isinstance(await call.answer, PitError)
        assert len(harness.warden.ops("template")) < 20

    in_instance(test, tmp_path)


def test_a_worker_that_is_lost_while_it_is_not_wanted_any_more_ends(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        harness.warden.slow.add("default")
        harness.instance.pools["default"].resize(3)
        lost = {"event": "exited", "worker": "default-3", "reason": "its template is gone", "log": [], "lost": True}
        harness.instance.reported(lost)
        harness.instance.pools["default"].resize(2)
        await harness.instance.down("default", 0.0)
        assert "default" not in harness.instance.pools

    in_instance(test, tmp_path)
