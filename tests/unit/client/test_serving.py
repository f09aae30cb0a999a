"""Serving tools: who says why it is over, the worker that has ended or the server that has ended it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api, serving
from snakepit_cli.client.connect.find import connect
from snakepit_cli.wire import front
from tests.unit.client.fake import Fake, Peer, error


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "gone.py"
    path.write_text("import os\nos._exit(3)\n")
    return str(path)


def _says_nothing(peer: Peer, request: int) -> None:
    """As the real one, which closes the connection of a client that has left."""


def _says_why(peer: Peer, request: int) -> None:
    peer.send(front.ERROR, request, error("already_exists", "somebody offers one of this name"))


@pytest.mark.parametrize(("says", "kind"), [(_says_why, "already_exists"), (_says_nothing, "adapter_failed")])
def test_what_the_server_says_counts_though_the_worker_has_ended_before(
    fake: Fake, file: str, says: Callable[[Peer, int], None], kind: str
) -> None:
    def serve(peer: Peer, request: int, _: dict[str, Any]) -> None:
        way = {"worker": "t-1", "token": "x", "gateway": "/nowhere"}
        peer.send(front.CHUNKS, request, json.dumps(way).encode() + b"\n")
        assert peer.read() is None, "the client does not know that the worker has ended"
        says(peer, request)

    fake.queries["tool_serve"] = serve
    with api.Connection(connect("default")) as connection, pytest.raises(PitError) as raised:
        serving.serve(connection, file, "s", lambda _: None)
    assert raised.value.kind == kind
