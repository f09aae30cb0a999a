"""The server's order to reap is answered, whatever has become of the registry."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from snakepit_cli.base import paths
from snakepit_cli.warden.reaper import Reaper
from tests.unit.warden.conftest import Rig


def test_a_state_directory_that_has_been_removed(rig: Rig) -> None:
    answers: list[dict[str, Any]] = []
    state = rig.places.state / "state"
    paths.secure(str(state))
    rig.ledger.registry.path = state / "registry.db"
    reaper = Reaper(
        rig.places, rig.ledger, "no such cookie", "run", tell=answers.append, mend=lambda: paths.secure(str(state))
    )
    rig.ledger.registry._db.close()
    shutil.rmtree(state)
    reaper.order({"ticket": 7, "dry_run": False})
    assert answers == [{"event": "reaped", "ticket": 7, "report": []}]


def test_a_registry_that_cannot_be_made_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[dict[str, Any]] = []
    reaper = Reaper(rig.places, rig.ledger, "no such cookie", "run", tell=answers.append, mend=lambda: None)

    def renew(_: str) -> None:
        raise OSError(28, "No space left on device")

    rig.ledger.registry._db.close()
    monkeypatch.setattr(rig.ledger, "renew", renew)
    with pytest.raises(OSError, match="No space"):
        reaper.order({"ticket": 7, "dry_run": False})
    assert answers[0]["ticket"] == 7
    assert answers[0]["error"]["kind"] == "unavailable"
    assert "No space left" in answers[0]["error"]["message"]
    monkeypatch.undo()
    rig.ledger.renew("for the end of the test")
