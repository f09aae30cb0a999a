"""The sockets that the server listens on; they can be removed, and are then made again."""

from __future__ import annotations

import asyncio
import socket

from snakepit_cli.server.doors.front_socket import Door
from snakepit_cli.server.workers import gateway


class Listeners:
    """`path` is the socket of the workers, `door` that of the clients."""

    def __init__(self, host: gateway.Registrar, path: str, door: Door) -> None:
        self._host = host
        self._path = path
        self._door = door
        self._gateways: list[asyncio.Server] = []

    async def let_workers_in(self) -> None:
        self._gateways.append(await gateway.listen(self._host, self._path))

    async def anew(self, front: int | None) -> None:
        """The sockets have been removed. `front`: the listener that the warden has made instead of ours."""
        await self.let_workers_in()
        if front is not None:
            await self._door.add(socket.socket(fileno=front))
