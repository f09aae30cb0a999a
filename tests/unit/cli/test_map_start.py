"""How `map` begins, where the server goes away at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakepit_cli.cli import mapping
from snakepit_cli.wire import front
from tests.unit.cli.conftest import Run
from tests.unit.client.fake import Fake, Peer


@pytest.mark.parametrize(
    ("losses", "code"), [(1, 0), (mapping._ATTEMPTS - 1, 0), (mapping._ATTEMPTS, 71)], ids=["one", "some", "too many"]
)
def test_a_server_that_is_lost_before_it_says_what_there_is(
    fake: Fake, full: Run, tmp_path: Path, losses: int, code: int
) -> None:
    lost: list[int] = []

    def commands(peer: Peer, request: int, _: object) -> None:
        if len(lost) < losses:
            lost.append(request)
            peer.sock.close()
            return
        peer.send(front.RESULT, request, {"pool": "default", "commands": [{"name": "answer", "parameters": []}]})

    def answer(peer: Peer, request: int, *_: object) -> None:
        peer.send(front.ANSWERS, request, front.answers_body(b"1\n", []))
        peer.send(front.RESULT, request, b"0.001")

    fake.queries["commands"], fake.answers["answer"] = commands, answer
    fake.queries["status"] = {"pools": [{"name": "default", "size": 1}]}
    (tmp_path / "in").write_text("1\n")
    done = full("map", "answer", "--input", str(tmp_path / "in"))
    assert (done.code, done.out) == (code, "1\n" if code == 0 else ""), done.err
    assert len(lost) == losses
