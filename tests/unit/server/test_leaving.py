"""A server that ends because it is not used, and one that starts while its configuration is broken."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.server import app, configuration
from snakepit_cli.server.doors.front_socket import Door
from snakepit_cli.settings.load import load
from tests.unit.server.harness import Harness, in_instance


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")  # type: ignore[attr-defined]
        transport.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(tmp_path / "s"))
        one.listen()
        yield one


def knock(listener: socket.socket) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(listener.getsockname())
    client.setblocking(False)
    return client


async def everything(client: socket.socket) -> bytes:
    """What it is sent until the server closes the connection."""
    data = b""
    while part := await asyncio.get_running_loop().sock_recv(client, 10):
        data += part
    return data


def test_a_client_that_finds_the_door_shut_is_let_in_when_it_opens(listener: socket.socket) -> None:
    async def test() -> None:
        door = Door(Greeter)
        await door.add(listener)
        for _ in range(2):
            await door.open()
            door.shut()
            assert not door.knocked()
            with knock(listener) as client:
                assert door.knocked()
                await door.open()
                assert await everything(client) == b"hello"
            door.shut()

    asyncio.run(test())
    assert os.path.exists(listener.getsockname()), "the socket is not ours to remove"


@pytest.mark.parametrize("knocks", [False, True])
def test_an_idle_server_leaves_only_when_nobody_knocks(knocks: bool, listener: socket.socket, tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        door = Door(Greeter)
        await door.open(listener)
        drained = harness.instance.pools["default"].drained
        leaving = asyncio.create_task(app.leave(harness.instance, set(), door))
        await asyncio.sleep(0)
        client = knock(listener) if knocks else None
        assert await leaving is not knocks
        assert drained.is_set()
        if client is not None:
            with client:
                assert await everything(client) == b"hello"
            assert await harness.call("echo").answer == b'{"a":1}', "its pool starts again"
        door.shut()

    in_instance(test, tmp_path)


def test_a_server_in_use_stays(listener: socket.socket, tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        door = Door(Greeter)
        await door.open(listener)
        connections: Any = {object()}
        assert not await app.leave(harness.instance, connections, door)
        assert not harness.instance.pools["default"].ending
        door.shut()

    in_instance(test, tmp_path)


CONFIG = """
[server]
idle_timeout = "7s"
[pools.p]
adapter = "words.py"
size = 3
env = { A = "b" }
limits = { queue_timeout = "9s" }
[adapters.x]
executable = "cat"
dialect = "lines"
timeouts = { line = "5s" }
[adapters.x.schemas.line]
type = "object"
"""


def test_only_the_first_server_gives_up_on_a_broken_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    monkeypatch.setenv("SNAKEPIT_CONFIG", str(file))
    file.write_text(CONFIG)
    good = load()

    async def test(harness: Harness) -> None:
        configuration.keep(good, harness.warden)  # type: ignore[arg-type]
        (memo,) = harness.warden.ops("memo")
        file.write_text("[pools")
        with pytest.raises(PitError, match=r"config\.toml"):
            configuration.current([])
        found, error = configuration.current([memo])
        assert found == good
        assert error is not None
        assert error.kind == "invalid_configuration"
        assert configuration.of_pools([memo]) == []

    in_instance(test, tmp_path)


def test_status_says_that_the_configuration_is_broken(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        from snakepit_cli.wire import ops

        assert (await harness.ask(ops.Status()))["configuration"] is None
        harness.desk.configuration = PitError("invalid_configuration", "config.toml: no")
        assert (await harness.ask(ops.Status()))["configuration"]["message"] == "config.toml: no"

    in_instance(test, tmp_path)
