"""Who may refer to which segment, how much room there is, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from snakepit_cli.server.segments import REFERENCE_ABOVE, ForeignSegmentError, Owner, Segments
from snakepit_cli.wire import worker_pb2 as pb

MUTATIONS = 10_000


@pytest.fixture
def segments(tmp_path: Path) -> Segments:
    return Segments(tmp_path, 16 << 20)


def made(segments: Segments, owner: Owner, number: int = 1, size: int = 100) -> pb.Reference:
    path = f"{segments.folder}/{owner.prefix}{number}"
    Path(path).write_bytes(b"x" * size)
    found = os.stat(path)
    return pb.Reference(path=path, device=found.st_dev, inode=found.st_ino, offset=0, length=size)


def changed(ref: pb.Reference, **fields: object) -> pb.Reference:
    copy = pb.Reference()
    copy.CopyFrom(ref)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy


def test_a_segment_is_the_readers_until_it_is_released(segments: Segments) -> None:
    told: list[str] = []
    owner = segments.owner("default-1", told.append)
    ref = made(segments, owner)
    lent = owner.lend(ref)
    with pytest.raises(ForeignSegmentError, match="being read"):
        owner.lend(ref)
    lent.release()
    lent.release()
    assert told == [ref.path]
    owner.lend(ref)


def hard_link(ref: pb.Reference, other: pb.Reference) -> pb.Reference:
    Path(ref.path).unlink()
    Path(ref.path).symlink_to(other.path)
    return changed(ref, inode=other.inode)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda ref, _: changed(ref, path="/etc/passwd"), "not one of its segments"),
        (lambda _, other: other, "not one of its segments"),
        (lambda ref, _: changed(ref, path=f"{ref.path}/../lock"), "not one of its segments"),
        (lambda ref, _: changed(ref, path=f"{ref.path}x"), "not one of its segments"),
        (lambda ref, _: changed(ref, path=ref.path[:-1]), "not one of its segments"),
        (lambda ref, _: changed(ref, path=f"{ref.path}7"), "cannot be read"),
        (lambda ref, _: changed(ref, inode=ref.inode + 1), "not the one at its path"),
        (lambda ref, _: changed(ref, device=ref.device + 1), "not the one at its path"),
        (lambda ref, _: changed(ref, offset=1), "does not have"),
        (lambda ref, _: changed(ref, length=101), "does not have"),
        (lambda ref, _: changed(ref, offset=1 << 63, length=1 << 63), "does not have"),
        (hard_link, "not the one at its path"),
    ],
)
def test_what_is_not_its_own_is_refused(
    segments: Segments, wrong: Callable[[pb.Reference, pb.Reference], pb.Reference], why: str
) -> None:
    owner, other = segments.owner("default-1"), segments.owner("default-2")
    ref = wrong(made(segments, owner), made(segments, other))
    with pytest.raises(ForeignSegmentError, match=why):
        owner.lend(ref)


def test_no_change_of_a_reference_does_harm(segments: Segments) -> None:
    """The server says no in one way, or the reference leads to bytes that its owner has."""
    random.seed(7)
    owner = segments.owner("default-1")
    good = made(segments, owner)
    whole = good.SerializeToString()
    taken = refused = 0
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
        ref = pb.Reference()
        try:
            ref.ParseFromString(bytes(data))
        except Exception:  # noqa: BLE001 — no message at all: the gateway refuses it
            refused += 1
            continue
        try:
            lent = owner.lend(ref)
        except ForeignSegmentError:
            refused += 1
            continue
        taken += 1
        assert (ref.path, ref.inode) == (good.path, good.inode)
        assert ref.offset + ref.length <= good.length
        lent.release()
    assert refused > taken
    assert taken + refused == MUTATIONS


def test_all_owners_together_have_no_more_than_the_quota(segments: Segments) -> None:
    owners = [segments.owner(f"default-{number}") for number in range(40)]
    assert segments.granted == segments.quota // 2, "the rest is for whoever needs more"
    welcome = pb.Welcome()
    owners[-1].introduce(welcome)
    assert not welcome.segments, "one that comes too late makes none"
    for owner in owners[1:]:
        owner.gone()
    assert owners[0].grant(12 << 20) == 12 << 20
    assert owners[0].grant(17 << 20) == 12 << 20, "more than there is: it keeps what it has"


def test_more_than_its_share_is_granted_until_all_is_released(segments: Segments) -> None:
    owner = segments.owner("default-1", lambda _: None)
    share = owner.granted
    assert share >= REFERENCE_ABOVE
    owner.grant(8 << 20)
    first, second = owner.lend(made(segments, owner, 1)), owner.lend(made(segments, owner, 2))
    first.release()
    assert owner.granted == 8 << 20
    second.release()
    assert owner.granted == share


def test_nothing_is_left_of_an_owner_that_has_gone(segments: Segments, tmp_path: Path) -> None:
    owner, other = segments.owner("default-1", lambda _: None), segments.owner("default-11")
    read, kept = made(segments, owner, 1), made(segments, other)
    made(segments, owner, 2)
    lent = owner.lend(read)
    owner.gone()
    owner.gone()
    assert {str(path) for path in tmp_path.iterdir()} == {read.path, kept.path}, "what is being read stays"
    lent.release()
    assert {str(path) for path in tmp_path.iterdir()} == {kept.path}
    assert segments.granted == other.granted


def test_without_shared_memory_there_are_none() -> None:
    segments = Segments.of(None, None)
    owner, welcome = segments.owner("default-1"), pb.Welcome()
    owner.introduce(welcome)
    assert not welcome.segments
    with pytest.raises(ForeignSegmentError):
        owner.lend(pb.Reference(path="/None/default-1-1-1"))
    owner.gone()


def test_the_quota_is_a_quarter_of_the_file_system(tmp_path: Path) -> None:
    whole = os.statvfs(tmp_path)
    assert Segments.of(str(tmp_path), None).quota == whole.f_blocks * whole.f_frsize // 4
    assert Segments.of(str(tmp_path / "missing"), None).folder is None


# ------------------------------------------------------------------------------------------- the journal


def written(segments: Segments, owner: Owner, *head: int, lines: bytes) -> None:
    path = Path(f"{segments.folder}/{owner.prefix}journal")
    path.write_bytes(struct.pack("<4Q", *head) + lines)


def test_what_a_worker_had_not_sent_is_found(segments: Segments) -> None:
    owner = segments.owner("default-1")
    assert owner.journal() is None
    written(segments, owner, 7, 10, 3, 6, lines=b"a\nb\nc\nold")
    journal = owner.journal()
    assert journal is not None
    assert (journal.call, journal.lines) == (7, b"a\nb\nc\n")
    assert journal.after(10) == b"a\nb\nc\n"
    assert journal.after(12) == b"c\n", "two of them have been sent, after all"
    assert journal.after(13) == b""
    assert journal.after(9) == b"", "one is missing in between"


@pytest.mark.parametrize(
    ("head", "lines"),
    [((7, 0, 2, 3), b"a\nb"), ((7, 0, 3, 4), b"a\nb\n"), ((7, 0, 2, 5), b"a\nb\n"), ((7, 0, 1, 1 << 60), b"a\n")],
)
def test_a_journal_that_makes_no_sense_is_none(segments: Segments, head: tuple[int, ...], lines: bytes) -> None:
    owner = segments.owner("default-1")
    written(segments, owner, *head, lines=lines)
    assert owner.journal() is None


def test_a_journal_that_ends_early_is_none(segments: Segments) -> None:
    owner = segments.owner("default-1")
    Path(f"{segments.folder}/{owner.prefix}journal").write_bytes(b"short")
    assert owner.journal() is None


# ---------------------------------------------------------------------------------------------- clients


def test_who_asks_first_gets_room_first(segments: Segments) -> None:
    async def test() -> None:
        first, second, third = (segments.owner(name) for name in ("a", "b", "c"))
        assert first.grant(12 << 20) == 12 << 20
        large = asyncio.create_task(segments.grant(second, 10 << 20))
        small = asyncio.create_task(segments.grant(third, 3 << 20))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not large.done()
        assert not small.done(), "it would pass the one before it for ever"
        first.gone()
        assert await large == 10 << 20
        assert await small == 3 << 20

    asyncio.run(test())


def test_one_that_gives_up_does_not_keep_others_waiting(segments: Segments) -> None:
    async def test() -> None:
        first, second, third = (segments.owner(name) for name in ("a", "b", "c"))
        first.grant(12 << 20)
        large = asyncio.create_task(segments.grant(second, 10 << 20))
        small = asyncio.create_task(segments.grant(third, 2 << 20))
        await asyncio.sleep(0)
        large.cancel()
        assert await small == 2 << 20
        assert large.cancelled()

    asyncio.run(test())


def test_what_the_shares_of_others_leave_no_room_for_does_not_wait(segments: Segments) -> None:
    others = [segments.owner(f"default-{number}") for number in range(8)]
    owner = segments.owner("a")
    assert sum(one.granted for one in others) == segments.quota // 2
    assert asyncio.run(segments.grant(owner, segments.quota // 2 + 1)) == owner.granted < segments.quota // 2
    assert asyncio.run(segments.grant(owner, segments.quota // 2)) == segments.quota // 2


def test_more_than_there_ever_is_does_not_wait(segments: Segments) -> None:
    owner = segments.owner("a")
    assert asyncio.run(segments.grant(owner, segments.quota + 1)) == owner.granted
