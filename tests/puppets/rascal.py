"""An adapter that does what no adapter should: dies, shouts, clings, floods."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from snakepit_bridge import BaseAdapter


class Rascal(BaseAdapter):
    """Its commands are named after what goes wrong."""

    def execute_pid(self) -> int:
        return os.getpid()

    def execute_nap(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    def execute_wait(self, note: str) -> str:
        """Until there is a file of this name."""
        while not os.path.exists(note):
            time.sleep(0.01)
        return "waited"

    def execute_die(self, number: int = 9) -> None:
        """Killed by a signal, as by the kernel's out-of-memory killer."""
        print("these are my last words", flush=True)
        os.kill(os.getpid(), number)
        time.sleep(600)

    def execute_leave(self, status: int = 0) -> None:
        os._exit(status)

    def execute_die_after(self, chunks: int) -> Iterator[int]:
        yield from range(chunks)
        time.sleep(1)  # the chunks are on their way
        os.kill(os.getpid(), 9)

    def execute_shout(self, megabytes: int) -> int:
        """Fills both standard streams, around Python and through it."""
        block = b"all work and no play\n" * 50_000
        for at in range(megabytes):
            os.write(1 + at % 2, block)
        print("the last line", flush=True)
        return megabytes

    def execute_garbage(self) -> str:
        noise = bytes(range(256)) * 4096
        os.write(1, noise)
        os.write(2, noise[::-1])
        sys.stdout.buffer.write(b"\x00\x1b]0;title\x07\xff\xfe PRI * HTTP/2.0\r\n\r\n")
        sys.stdout.flush()
        return "fine"

    def execute_mute(self) -> str:
        """Closes its standard streams and prints nevertheless."""
        os.close(1)
        os.close(2)
        try:
            print("this line has no reader", flush=True)
        except OSError:
            pass
        return "fine"

    def execute_cling(self) -> None:
        """Does not give up when it is cancelled."""
        while True:
            try:
                time.sleep(600)
            except BaseException:  # noqa: BLE001 — that is the point
                pass

    def execute_grind(self) -> int:
        """Cannot even be told: one call into C that keeps the interpreter's lock for hours."""
        return sum(range(10**14))

    def execute_count(self, n: int) -> Iterator[int]:
        yield from range(n)

    def execute_flood(self) -> Iterator[str]:
        """Never ends."""
        while True:
            yield "x" * 1000

    def execute_drip(self, note: str) -> Iterator[int]:
        """Never ends either, slowly. Says in the file `note` when it was given up."""
        try:
            yield 1
            while True:
                time.sleep(0.01)
                yield 1
        finally:
            with open(note, "w") as file:
                file.write("given up")

    def execute_much(self, megabytes: int) -> str:
        return "x" * (megabytes << 20)

    def execute_thing(self) -> Any:
        """Returns what has no JSON form."""
        return object()
