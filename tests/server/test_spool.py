"""Spools: what is kept of a stream, whatever happens to its file or its server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.spool import Spools

LINES = b"".join(b'{"n":%d}\n' % n for n in range(50_000))


def spools(folder: Path, *, most: int = 1 << 20, keep: float = 100.0) -> Spools:
    made = Spools(folder / "streams", most, keep)
    made.recall()
    return made


def test_what_was_written_is_read_from_any_point(tmp_path: Path) -> None:
    spool = spools(tmp_path).new("count", "default")
    spool.chunks(0, LINES)
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


def test_a_spool_is_private(tmp_path: Path) -> None:
    spools(tmp_path).new("count", "default").result(0, b"null")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "streams").iterdir()} == {0o600}
    assert (tmp_path / "streams").stat().st_mode & 0o777 == 0o700


def test_whoever_waits_is_woken_by_news_and_by_the_end(tmp_path: Path) -> None:
    async def scene() -> None:
        spool = spools(tmp_path).new("count", "default")
        readers = [asyncio.create_task(spool.news()) for _ in range(3)]
        await asyncio.sleep(0)
        spool.chunks(0, b"1\n")
        await asyncio.wait_for(asyncio.gather(*readers), 5)
        last = asyncio.create_task(spool.news())
        await asyncio.sleep(0)
        spool.result(0, b"null")
        await asyncio.wait_for(last, 5)

    asyncio.run(scene())


def test_the_next_server_finds_them_and_says_which_were_lost(tmp_path: Path) -> None:
    first = spools(tmp_path)
    done, torn = first.new("done", "default"), first.new("torn", "default")
    done.chunks(0, b"1\n2\n")
    done.error(0, PitError("command_failed", "no"))
    torn.chunks(0, b"1\n2\n")
    with (tmp_path / "streams" / f"{torn.facts.id}.lines").open("ab") as file:
        file.write(b'{"half')

    second = spools(tmp_path)
    found = second.get(done.facts.id)
    assert (found.facts.state, found.facts.chunks, found.read(0)) == ("failed", 2, b"1\n2\n")
    lost = second.get(torn.facts.id)
    assert lost.facts.error is not None
    assert (lost.facts.state, lost.facts.error["kind"], lost.read(0)) == ("failed", "server_restarted", b"1\n2\n")


def test_facts_that_are_no_facts_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "s-aaaaa.json").write_bytes(b'{"id"')
    assert spools(tmp_path).all == {}
    assert (tmp_path / "streams" / "s-aaaaa.json").exists()


def test_a_stream_that_is_too_long_is_given_up_by_name(tmp_path: Path) -> None:
    spool, given_up = spools(tmp_path, most=10).new("count", "default"), []
    spool.give_up = lambda: given_up.append(True)
    spool.chunks(0, b"12345\n")
    spool.chunks(0, b"67890\n")
    spool.error(0, PitError("cancelled", "late"))
    assert (spool.facts.state, given_up, spool.read(0)) == ("failed", [True], b"12345\n")
    assert spool.facts.error is not None
    assert "more than 10 bytes" in spool.facts.error["message"]


def test_a_full_disk_ends_the_stream_with_whole_lines(tmp_path: Path) -> None:
    code = f"""
        import json, resource, sys
        from pathlib import Path
        from tests.server.test_spool import spools
        spool = spools(Path({str(tmp_path)!r})).new("count", "default")
        spool.give_up = lambda: print("given up")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for n in range(300):
            spool.chunks(0, b"%09d\\n" % n)
        for n in range(9):
            spool.chunks(0, b"x" * 300 + b"\\n")
        print(json.dumps([spool.facts.state, spool.facts.error["kind"], spool.read(0)[-10:].decode()]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    given_up, facts = done.stdout.splitlines()
    assert given_up == "given up"
    assert json.loads(facts) == ["failed", "output_failed", "000000099\n"]


def test_they_expire_when_they_have_been_over_for_long(tmp_path: Path) -> None:
    all_ = spools(tmp_path, keep=0.0)
    over, running = all_.new("over", "default"), all_.new("running", "default")
    over.result(0, b"null")
    assert over.facts.ended is not None
    over.facts.ended -= 1.0
    all_.expire()
    assert set(all_.all) == {running.facts.id}
    assert {path.stem for path in (tmp_path / "streams").iterdir()} == {running.facts.id}
    with pytest.raises(PitError, match="no stream"):
        all_.get(over.facts.id)
