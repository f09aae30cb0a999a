"""Spools: what is kept of a stream, whatever happens to its file or its server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.spool import Spools

LINES = b"".join(b'{"n":%d}\n' % n for n in range(50_000))


def spools(folder: Path, *, most: int = 1 << 20, keep: float = 100.0) -> Spools:
    made = Spools(folder / "streams", most, keep)
    made.recall()
    return made


def test_what_was_written_is_read_from_any_point(tmp_path: Path) -> None:
    async def scene() -> None:
        spool = await spools(tmp_path).new("count", "default")
        spool.chunks(0, LINES)
        await spool.settled()
        read = b""
        while block := spool.read(len(read)):
            assert block.endswith(b"\n")
            read += block
        assert read == LINES
        assert spool.read(spool.offset(49_999)) == b'{"n":49999}\n'
        assert spool.offset("end") == spool.offset(50_000) == spool.offset(10**9) == len(LINES)
        assert spool.read(spool.offset(0)).startswith(b'{"n":0}\n')
        with pytest.raises(ValueError, match="from"):
            spool.offset(-1)

    asyncio.run(scene())


def test_a_spool_is_private(tmp_path: Path) -> None:
    async def scene() -> None:
        spool = await spools(tmp_path).new("count", "default")
        spool.result(0, b"null")
        await spool.settled()

    asyncio.run(scene())
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "streams").iterdir()} == {0o600}
    assert (tmp_path / "streams").stat().st_mode & 0o777 == 0o700


def test_readers_are_woken_by_news_and_by_the_end(tmp_path: Path) -> None:
    async def scene() -> None:
        spool = await spools(tmp_path).new("count", "default")
        readers = [asyncio.create_task(spool.news()) for _ in range(3)]
        await asyncio.sleep(0)
        spool.chunks(0, b"1\n")
        await asyncio.wait_for(asyncio.gather(*readers), 5)
        await spool.settled()
        last = asyncio.create_task(spool.news())
        await asyncio.sleep(0)
        spool.result(0, b"null")
        await asyncio.wait_for(last, 5)
        assert spool.over

    asyncio.run(scene())


def test_the_disk_is_written_by_threads_and_holds_the_stream_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while it writes is one batch; the end comes behind all of it."""
    threads: list[int] = []
    go_on = threading.Event()

    async def scene() -> None:
        spool, resumed = await spools(tmp_path, most=1 << 30).new("count", "default"), []
        append = spool._append

        def slow(lines: bytes) -> None:
            threads.append(threading.get_ident())
            go_on.wait(10)
            append(lines)

        monkeypatch.setattr(spool, "_append", slow)
        spool.resume = lambda: resumed.append(True)
        line = b"x" * ((1 << 20) - 1) + b"\n"
        for _ in range(6):
            spool.chunks(0, line)
        spool.result(0, b"null")
        assert spool.congested
        assert not spool.over
        go_on.set()
        await spool.settled()
        assert resumed
        assert not spool.congested
        assert (spool.facts.state, spool.facts.chunks) == ("done", 6)

    asyncio.run(scene())
    assert threading.get_ident() not in threads


def test_the_next_server_finds_them_and_says_which_were_lost(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        first = spools(tmp_path)
        done, torn = await first.new("done", "default"), await first.new("torn", "default")
        for spool in (done, torn):
            spool.chunks(0, b"1\n2\n")
        done.error(0, PitError("command_failed", "no"))
        await first.settled()
        return [done.facts.id, torn.facts.id]

    done, torn = asyncio.run(scene())
    with (tmp_path / "streams" / f"{torn}.lines").open("ab") as file:
        file.write(b'{"half')

    second = spools(tmp_path)
    found = second.get(done)
    assert (found.facts.state, found.facts.chunks, found.read(0)) == ("failed", 2, b"1\n2\n")
    lost = second.get(torn)
    assert lost.facts.error is not None
    assert (lost.facts.state, lost.facts.error["kind"], lost.read(0)) == ("failed", "server_restarted", b"1\n2\n")


def test_facts_that_are_no_facts_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "s-aaaaa.json").write_bytes(b'{"id"')
    assert spools(tmp_path).all == {}
    assert (tmp_path / "streams" / "s-aaaaa.json").exists()


def test_a_stream_that_is_too_long_is_given_up_by_name(tmp_path: Path) -> None:
    async def scene() -> None:
        spool, given_up = await spools(tmp_path, most=10).new("count", "default"), []
        spool.give_up = lambda: given_up.append(True)
        spool.chunks(0, b"12345\n")
        spool.chunks(0, b"67890\n")
        spool.error(0, PitError("cancelled", "late"))
        await spool.settled()
        assert (spool.facts.state, given_up, spool.read(0)) == ("failed", [True], b"12345\n")
        assert spool.facts.error is not None
        assert "more than 10 bytes" in spool.facts.error["message"]

    asyncio.run(scene())


def test_a_full_disk_ends_the_stream_with_whole_lines(tmp_path: Path) -> None:
    code = f"""
        import asyncio, json, resource, sys
        from pathlib import Path
        from tests.unit.server.test_spool import spools
        async def scene():
            spool = await spools(Path({str(tmp_path)!r})).new("count", "default")
            spool.give_up = lambda: print("given up")
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            for n in range(300):
                spool.chunks(0, b"%09d\\n" % n)
                if n % 7 == 0:
                    await spool.settled()
            for n in range(9):
                spool.chunks(0, b"x" * 300 + b"\\n")
            await spool.settled()
            print(json.dumps([spool.facts.state, spool.facts.error["kind"], spool.read(0)[-10:].decode()]))
        asyncio.run(scene())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    given_up, facts = done.stdout.splitlines()
    assert given_up == "given up"
    assert json.loads(facts) == ["failed", "output_failed", "000000099\n"]


def test_they_expire_when_they_have_been_over_for_long(tmp_path: Path) -> None:
    async def scene() -> None:
        all_ = spools(tmp_path, keep=0.0)
        over, running = await all_.new("over", "default"), await all_.new("running", "default")
        over.result(0, b"null")
        await all_.settled()
        assert over.facts.ended is not None
        over.facts.ended -= 1.0
        await all_.expire()
        assert set(all_.all) == {running.facts.id}
        assert {path.stem for path in (tmp_path / "streams").iterdir()} == {running.facts.id}
        with pytest.raises(PitError, match="no stream"):
            all_.get(over.facts.id)

    asyncio.run(scene())
