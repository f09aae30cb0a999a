"""The same work as `snakepit map compute`, by others. Run as a script: KIND CHUNK INPUT OUTPUT.

Each reads the same JSON lines, calls the same function, and writes the same lines in the same order, in chunks of the
given number of lines. It prints the seconds from when its workers were ready.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from benchmarks.bulk_loop import many, one
else:
    # Not of this script: what a script defines is sent by value, and an encoder cannot be.
    from bulk_loop import many, one

WORKERS = 2


def chunks(file: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    lines = iter(file)
    while chunk := list(islice(lines, size)):
        yield chunk


def imap(chunk: int, source: BinaryIO, sink: BinaryIO) -> float:
    import multiprocessing

    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(one, [b'{"operation":"add","a":1,"b":1}'] * WORKERS)
        started = time.perf_counter()
        sink.writelines(answer + b"\n" for answer in pool.imap(one, source, chunksize=chunk))
        return time.perf_counter() - started


def imap_blocks(chunk: int, source: BinaryIO, sink: BinaryIO) -> float:
    """The optimised peer: a whole chunk of lines is one item."""
    import multiprocessing

    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(one, [b'{"operation":"add","a":1,"b":1}'] * WORKERS)
        started = time.perf_counter()
        sink.writelines(pool.imap(many, chunks(source, chunk)))
        return time.perf_counter() - started


def loky(chunk: int, source: BinaryIO, sink: BinaryIO) -> float:
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=WORKERS)
    list(executor.map(many, [[b'{"operation":"add","a":1,"b":1}']] * WORKERS))
    started = time.perf_counter()
    sink.writelines(executor.map(many, chunks(source, chunk)))
    return time.perf_counter() - started


def ray(chunk: int, source: BinaryIO, sink: BinaryIO) -> float:
    import ray as library
    from ray.util import ActorPool

    library.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")

    @library.remote
    class Worker:
        def many(self, lines: list[bytes]) -> bytes:
            return many(lines)

    pool = ActorPool([Worker.remote() for _ in range(WORKERS)])  # type: ignore[attr-defined]
    list(pool.map(lambda a, v: a.many.remote(v), [[b'{"operation":"add","a":1,"b":1}']] * WORKERS))
    started = time.perf_counter()
    sink.writelines(pool.map(lambda a, v: a.many.remote(v), chunks(source, chunk)))
    return time.perf_counter() - started


def dask(chunk: int, source: BinaryIO, sink: BinaryIO) -> float:
    from dask.distributed import Client

    with Client(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as client:
        client.gather(client.map(many, [[b'{"operation":"add","a":1,"b":1}']] * WORKERS))
        started = time.perf_counter()
        sink.writelines(client.gather(client.map(many, list(chunks(source, chunk)), pure=False)))
        return time.perf_counter() - started


def execnet(chunk: int, source: BinaryIO, sink: BinaryIO) -> float:
    import execnet as library

    loop = "from bulk_loop import many\nfor lines in channel: channel.send(many(lines))"
    channels = [library.makegateway().remote_exec(f"import sys; sys.path[:0] = {sys.path!r}\n{loop}") for _ in range(2)]
    for channel in channels:
        channel.send([b'{"operation":"add","a":1,"b":1}'])
        channel.receive()
    started = time.perf_counter()
    waiting: list[Any] = []
    for number, lines in enumerate(chunks(source, chunk)):
        channel = channels[number % WORKERS]
        channel.send(lines)
        waiting.append(channel)
        if len(waiting) > 2 * WORKERS:
            sink.write(waiting.pop(0).receive())
    for channel in waiting:
        sink.write(channel.receive())
    return time.perf_counter() - started


KINDS: dict[str, Callable[[int, BinaryIO, BinaryIO], float]] = {
    "imap": imap,
    "imap-blocks": imap_blocks,
    "loky": loky,
    "ray": ray,
    "dask": dask,
    "execnet": execnet,
}

if __name__ == "__main__":
    if sys.argv[1] == "filter":
        for lines in chunks(sys.stdin.buffer, 4096):
            sys.stdout.buffer.write(many(lines))
    else:
        with open(sys.argv[3], "rb") as source, open(sys.argv[4], "wb") as sink:
            print(KINDS[sys.argv[1]](int(sys.argv[2]), source, sink))
