"""The sockets that the server listens on; they can be removed, and are then made again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from snakepit_cli.server import gateway


class Listeners:
    """`connect` makes the protocol of a client's connection."""

    def __init__(self, host: gateway.Host, path: str, connect: Callable[[], asyncio.Protocol]) -> None:
        self._host = host
        self._path = path
        self._connect = connect
        self._gateways: list[asyncio.Server] = []
        self._fronts: list[asyncio.Server] = []

    async def let_workers_in(self) -> None:
        self._gateways.append(await gateway.listen(self._host, self._path))

    async def let_clients_in(self, listener: socket.socket) -> None:
        self._fronts.append(await asyncio.get_running_loop().create_unix_server(self._connect, sock=listener))

    async def anew(self, front: int | None) -> None:
        """The sockets have been removed. `front`: the listener that the warden has made instead of ours."""
        await self.let_workers_in()
        if front is not None:
            await self.let_clients_in(socket.socket(fileno=front))

    def turn_clients_away(self) -> None:
        for front in self._fronts:
            front.close()
