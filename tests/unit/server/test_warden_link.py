"""The server's end of the control pipe: messages of any size, and what is too large is named before it is sent."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from snakepit_cli.base import packets
from snakepit_cli.server.workers.warden_link import WardenLink, first_message
from snakepit_cli.warden import serverlink

Check = Callable[[WardenLink, socket.socket, list[dict[str, Any]]], Coroutine[Any, Any, None]]


def run(check: Check, *, listens: bool = True) -> None:
    async def main() -> None:
        warden, ours = serverlink.pair()
        heard: list[dict[str, Any]] = []
        link = WardenLink(ours, heard.append)
        if listens:
            link.listen()
        try:
            await asyncio.wait_for(check(link, warden, heard), 20)
        finally:
            asyncio.get_running_loop().remove_reader(ours)
            asyncio.get_running_loop().remove_writer(ours)
            warden.close()
            ours.close()

    asyncio.run(main())


def test_what_is_said_before_the_server_is_ready_for_it_waits() -> None:
    """The death of a worker that a new server has not adopted yet must not be missed."""

    async def check(link: WardenLink, warden: socket.socket, heard: list[dict[str, Any]]) -> None:
        packets.send(warden, json.dumps({"event": "exited", "worker": "p-1"}).encode())
        for _ in range(5):
            await asyncio.sleep(0)
        assert heard == []
        link.listen()
        await until(lambda: heard)
        assert heard == [{"event": "exited", "worker": "p-1"}]

    run(check, listens=False)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of asyncio
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("size", [10, packets.PACKET, 1 << 20])
def test_messages_of_any_size_both_ways(size: int) -> None:
    async def check(link: WardenLink, warden: socket.socket, heard: list[dict[str, Any]]) -> None:
        link.send("memo", text="x" * size)
        assert json.loads(packets.receive(warden)[0]) == {"op": "memo", "text": "x" * size}
        packets.send(warden, json.dumps({"event": "x", "text": "x" * size}).encode(), [0, 1])
        await until(lambda: heard)
        heard.pop().pop("talk").close()

    run(check)


def test_what_is_too_large_is_named() -> None:
    async def check(link: WardenLink, warden: socket.socket, heard: list[dict[str, Any]]) -> None:
        with pytest.raises(packets.PacketError, match=f"spawn: a message may have {packets.MESSAGE} .*'env' has"):
            link.send("spawn", pool="p", env={"X": "x" * packets.MESSAGE})
        link.send("tick")
        assert json.loads(packets.receive(warden)[0]) == {"op": "tick"}

    run(check)


def test_a_packet_that_was_cut_is_dropped_and_the_next_is_heard(capfd: pytest.CaptureFixture[str]) -> None:
    async def check(link: WardenLink, warden: socket.socket, heard: list[dict[str, Any]]) -> None:
        warden.send(bytes(packets.PACKET + 1))
        packets.send(warden, b'{"event": "x"}')
        await until(lambda: heard)
        assert heard == [{"event": "x"}]

    run(check)
    assert "dropped" in capfd.readouterr().err


def test_a_warden_that_does_not_read_is_sent_everything_later_in_order() -> None:
    async def check(link: WardenLink, warden: socket.socket, heard: list[dict[str, Any]]) -> None:
        for number in range(100):
            link.send("memo", number=number, text="x" * 50_000)
        read: list[int] = []
        asyncio.get_running_loop().add_reader(
            warden, lambda: read.append(json.loads(packets.receive(warden)[0])["number"])
        )
        await until(lambda: len(read) == 100)
        asyncio.get_running_loop().remove_reader(warden)
        assert read == list(range(100))

    run(check)


def test_no_file_in_memory_can_be_had(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def create(_: str) -> int:
        raise OSError(24, "Too many open files")

    async def check(link: WardenLink, warden: socket.socket, heard: list[dict[str, Any]]) -> None:
        monkeypatch.setattr(os, "memfd_create", create)
        link.send("memo", text="x" * (1 << 20))
        link.send("tick")
        assert json.loads(packets.receive(warden)[0]) == {"op": "tick"}

    run(check)
    assert "Too many open files" in capfd.readouterr().err


def test_a_new_server_waits_for_its_first_message() -> None:
    warden, ours = serverlink.pair()
    packets.send(warden, json.dumps({"text": "x" * (1 << 20)}).encode())
    assert len(first_message(ours)["text"]) == 1 << 20
    warden.close()
    ours.close()
