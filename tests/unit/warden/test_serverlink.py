"""The warden's end of the control pipe: whatever comes through it, the warden goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from snakepit_cli.base import packets, pipe_pair
from snakepit_cli.warden import serverlink
from tests.unit.warden.conftest import Rig, nothing_left_open


class Server:
    """The other end."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.asked: list[dict[str, Any]] = []
        ours, self.channel = serverlink.pair()
        self.link = serverlink.ServerLink(
            rig.loop, ours, self._asked, note=rig.notes.append, broken=lambda: rig.notes.append("broken")
        )

    def _asked(self, message: dict[str, Any]) -> None:
        self.asked.append(message)
        if message["op"] == "raise":
            raise OSError(24, "Too many open files")


@pytest.fixture
def server(rig: Rig) -> Iterator[Server]:
    one = Server(rig)
    yield one
    one.link.close()
    one.channel.close()


BAD: dict[str, Callable[[socket.socket], object]] = {
    "not JSON": lambda channel: channel.send(b"\xff{"),
    "not an object": lambda channel: channel.send(b"[]"),
    "without an op": lambda channel: channel.send(b"{}"),
    "cut": lambda channel: channel.send(bytes(packets.PACKET + 1)),
    "a file that is missing": lambda channel: channel.send(packets.IN_FILE),
    "with a descriptor": lambda channel: socket.send_fds(channel, [b'{"op": "x"}'], [0]),
    "one that fails": lambda channel: channel.send(b'{"op": "raise"}'),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_message_is_noted_and_the_next_one_is_heard(
    server: Server, bad: Callable[[socket.socket], object]
) -> None:
    with nothing_left_open():
        bad(server.channel)
        server.channel.send(b'{"op": "tick"}')
        server.rig.until(lambda: {"op": "tick"} in server.asked, "the next message")
        assert len(server.rig.notes) == 1
        assert "dropped" in server.rig.notes[0]


def test_large_messages_both_ways(server: Server) -> None:
    text = "é" * (1 << 20)
    server.link.send({"event": "x", "text": text})
    assert json.loads(packets.receive(server.channel)[0])["text"] == text
    packets.send(server.channel, json.dumps({"op": "x", "text": text}).encode())
    server.rig.until(lambda: server.asked, "the message")
    assert server.asked[0]["text"] == text


def test_one_that_is_too_large_is_noted_and_the_others_are_sent(server: Server) -> None:
    with nothing_left_open():
        along, others = pipe_pair.pair()
        server.link.send({"event": "huge", "text": "x" * packets.MESSAGE}, along)
        others.close()
        server.link.send({"event": "small"})
        assert json.loads(packets.receive(server.channel)[0]) == {"event": "small"}
        assert "'huge'" in server.rig.notes[0]


def test_a_server_that_does_not_read_keeps_nobody_waiting_and_loses_nothing(server: Server) -> None:
    for number in range(100):
        server.link.send({"event": "x", "number": number, "text": "x" * 50_000})
    heard: list[int] = []
    server.rig.loop.watch(
        server.channel, lambda: heard.append(json.loads(packets.receive(server.channel)[0])["number"])
    )
    server.rig.until(lambda: len(heard) == 100, "all of them")
    assert heard == list(range(100))
    server.rig.loop.forget(server.channel)


def test_a_server_that_is_gone(server: Server) -> None:
    server.channel.close()
    along, others = pipe_pair.pair()
    server.link.send({"event": "x"}, along)
    others.close()
    server.link.send({"event": "y"})
    assert "broken" not in server.rig.notes
