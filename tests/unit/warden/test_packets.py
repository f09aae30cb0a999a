"""One limit for a packet, on both sides of every socket of the warden: nothing is cut, nothing waits."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator

import pytest
from snakepit_bridge import template as bridge

from snakepit_cli.base import packets
from snakepit_cli.warden.births import template_protocol
from tests.unit.warden.conftest import nothing_left_open

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = template_protocol.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("size", [1, packets.PACKET, packets.PACKET + 1, 1 << 20, packets.MESSAGE])
def test_a_message_arrives_whole_with_its_descriptors(pair: Pair, size: int) -> None:
    data = os.urandom(size)
    null = os.open(os.devnull, os.O_RDONLY)
    with nothing_left_open():
        packets.send(pair[0], data, [null, null])
        received, descriptors = packets.receive(pair[1], 2)
        assert received == data
        assert [os.fstat(one).st_rdev for one in descriptors] == [os.fstat(null).st_rdev] * 2
        assert not any(os.get_inheritable(one) for one in descriptors)
        for one in descriptors:
            os.close(one)
    os.close(null)


def test_a_message_over_the_limit_is_refused_before_it_is_sent(pair: Pair) -> None:
    with pytest.raises(packets.PacketError, match=f"{packets.MESSAGE} bytes, not {packets.MESSAGE + 1}"):
        packets.send(pair[0], bytes(packets.MESSAGE + 1))
    with pytest.raises(BlockingIOError):
        packets.receive(pair[1])


def _too_long(channel: socket.socket) -> None:
    channel.send(bytes(packets.PACKET + 1))


def _without_its_file(channel: socket.socket) -> None:
    channel.send(packets.IN_FILE)


def _with_a_descriptor_too_many(channel: socket.socket) -> None:
    socket.send_fds(channel, [b"{}"], [0, 0, 0])


def _with_a_file_too_large(channel: socket.socket) -> None:
    with open(os.memfd_create("large"), "wb") as file:
        os.truncate(file.fileno(), packets.MESSAGE + 1)
        socket.send_fds(channel, [packets.IN_FILE], [file.fileno()])


def _with_a_pipe_as_its_file(channel: socket.socket) -> None:
    ends = os.pipe()
    socket.send_fds(channel, [packets.IN_FILE], ends[:1])
    for one in ends:
        os.close(one)


@pytest.mark.parametrize(
    "bad",
    [_too_long, _without_its_file, _with_a_descriptor_too_many, _with_a_file_too_large, _with_a_pipe_as_its_file],
)
def test_what_is_not_a_packet_is_noticed_and_the_next_one_is_read(
    pair: Pair, bad: Callable[[socket.socket], None]
) -> None:
    with nothing_left_open():
        bad(pair[0])
        packets.send(pair[0], b"next")
        with pytest.raises((packets.PacketError, OSError)):
            packets.receive(pair[1], 2)
        assert packets.receive(pair[1], 2) == (b"next", [])


def test_descriptors_that_cannot_be_taken_are_noticed(pair: Pair, few_files: Callable[[int], None]) -> None:
    with nothing_left_open():
        packets.send(pair[0], b"{}", [0, 1])
        packets.send(pair[0], b"next")
        few_files(1)
        with pytest.raises(packets.PacketError, match="too many files"):
            packets.receive(pair[1], 2)
        assert packets.receive(pair[1], 2) == (b"next", [])


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_the_bridge_speaks_the_same(pair: Pair, size: int) -> None:
    message = {"op": "x", "text": "é" * size}
    assert template_protocol.send(pair[0], message, [0]) is None
    heard, descriptors = bridge.receive(pair[1])
    assert heard == message
    assert len(descriptors) == 1
    os.close(descriptors[0])
    bridge.send(pair[1], message)
    assert template_protocol.receive(pair[0]) == message


def test_both_sides_have_the_same_limit() -> None:
    assert bridge.PACKET == packets.PACKET


def test_nobody_waits_for_a_side_that_does_not_read(pair: Pair) -> None:
    said = None
    for _ in range(10_000):
        said = template_protocol.send(pair[0], {"fill": "x" * 1000})
        if said is not None:
            break
    assert said == "it does not read"


def test_what_is_too_large_is_said_by_a_send_that_cannot_raise(pair: Pair) -> None:
    assert f"may have {packets.MESSAGE} bytes" in str(template_protocol.send(pair[0], {"x": "y" * packets.MESSAGE}))
    pair[1].close()
    assert template_protocol.send(pair[0], {"x": json.dumps({})}) == "it is gone"
