"""Payloads by reference, over workers of every language: read as the contract says, refused by name, lent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snakepit_cli.conformance.offer import planned
from snakepit_cli.conformance.peer import LIMIT, NAME, Peer
from snakepit_cli.wire import worker_pb2 as pb
from tests.contract.test_languages import ADAPTERS

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["python", "node", "go", "ruby"]
ABOVE = 1000
Kind = pb.Failure.Kind


class Worker:
    """One that has been told that it may write segments."""

    def __init__(self, name: str, folder: Path, segment_bytes: int = 64 << 20) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT / "bridges/python")}
        _, plan = planned(ADAPTERS[name], None, env, str(ROOT))
        argv = tuple(part.replace("{worker}", NAME) for part in plan.argv)
        self.folder = folder
        self.peer = Peer(argv, {**plan.env, "PYTHONPATH": env["PYTHONPATH"]}, str(ROOT))
        self.hello = self.peer.accept(60.0)
        welcome = pb.Welcome(
            protocol=2, max_message_bytes=LIMIT, segments=str(folder), segment_name="w-1-",
            segment_bytes=segment_bytes, reference_above=ABOVE,
        )  # fmt: skip
        self.peer.send(pb.ToWorker(welcome=welcome))

    def call(self, command: str, **more: object) -> int:
        number = self.peer.number()
        self.peer.send(pb.ToWorker(calls=[pb.Call(id=number, command=command, **more)]))  # type: ignore[arg-type]
        return number

    def result(self, command: str, **more: object) -> pb.Result:
        return self.peer.result(self.call(command, **more))

    def block(self, command: str, **more: object) -> list[pb.Chunks]:
        """The chunks of a block that succeeds."""
        number = self.call(command, stream=True, credit_bytes=1 << 30, **more)
        assert self.peer.result(number).value == b"null"
        return [one for one in self.peer.heard if isinstance(one, pb.Chunks) and one.id == number]

    def file(self, name: str, data: bytes) -> pb.Reference:
        path = self.folder / name
        path.write_bytes(data)
        found = path.stat()
        return pb.Reference(path=str(path), device=found.st_dev, inode=found.st_ino, offset=0, length=len(data))


@pytest.fixture(scope="module", params=LANGUAGES)
def worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    one = Worker(request.param, tmp_path_factory.mktemp("segments"))
    with one.peer:
        yield one


def read(ref: pb.Reference) -> bytes:
    with open(ref.path, "rb") as file:
        found = os.fstat(file.fileno())
        assert (found.st_dev, found.st_ino, found.st_mode & 0o777) == (ref.device, ref.inode, 0o600)
        return os.pread(file.fileno(), ref.length, ref.offset)


def test_its_range_of_versions_has_both(worker: Worker) -> None:
    assert (worker.hello.protocol_min, worker.hello.protocol_max) == (1, 2)


def test_arguments_are_read_where_they_are(worker: Worker) -> None:
    text = json.dumps({"value": "ü" * 200_000}).encode()
    ref = worker.file("args", b"before" + text + b"after")
    ref.offset, ref.length = 6, len(text)
    assert json.loads(worker.result("keep", args_ref=ref).value) == "ü" * 200_000
    assert worker.result("keep", args_ref=ref).value == worker.result("keep", args=text).value


def replaced(ref: pb.Reference) -> None:
    other = Path(f"{ref.path}-other")
    other.write_bytes(Path(ref.path).read_bytes())
    other.rename(ref.path)


def fifo(ref: pb.Reference) -> None:
    os.unlink(ref.path)
    os.mkfifo(ref.path)


def linked(ref: pb.Reference) -> None:
    os.rename(ref.path, f"{ref.path}-real")
    os.symlink(f"{ref.path}-real", ref.path)


def cut(ref: pb.Reference) -> None:
    os.truncate(ref.path, ref.length - 1)


def huge(ref: pb.Reference) -> None:
    ref.length = (1 << 63) - 1


CHANGES = [replaced, fifo, linked, cut, huge, lambda ref: os.unlink(ref.path)]
NAMES = ["replaced", "fifo", "link", "cut", "huge", "removed"]


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_a_file_that_has_changed_is_refused_and_nothing_is_done(
    worker: Worker, change: Callable[[pb.Reference], object]
) -> None:
    worker.result("keep", args=b'{"value":1}')
    for name in ("args", "lines"):
        ref = worker.file(f"{change.__name__}-{name}", b'{"value":2}\n')
        change(ref)
        block = pb.Block(lines_ref=ref, count=1)
        more = {"args_ref": ref} if name == "args" else {"block": block, "stream": True, "credit_bytes": 1 << 20}
        failure = worker.result("keep", **more).failure
        assert failure.kind == Kind.REFERENCE_FAILED, failure
        assert ref.path in failure.message
    assert worker.result("kept").value == b"1"


@pytest.mark.parametrize(("lines", "count"), [(b"1\n2\n", 3), (b"1\n2\n", 1), (b"1\n2", 1), (b"", 1)])
def test_a_block_has_whole_lines_as_many_as_it_says(worker: Worker, lines: bytes, count: int) -> None:
    block = pb.Block(lines_ref=worker.file("lines", lines), count=count, item_argument="value")
    assert worker.result("keep", block=block, stream=True, credit_bytes=1 << 20).failure.kind == Kind.REFERENCE_FAILED


def test_the_items_of_a_block_and_their_answers(worker: Worker) -> None:
    lines = b"".join(b'{"value":%d,"text":"\xc3\xbc"}\n' % n for n in range(5000))
    inline = worker.block("echo", block=pb.Block(lines=lines, count=5000))
    assert not any(one.HasField("lines_ref") for one in inline)
    block = pb.Block(lines_ref=worker.file("lines", lines), count=5000)
    referred = worker.block("echo", block=block, takes_references=True)
    assert any(one.HasField("lines_ref") for one in referred)
    answers = b""
    for one in referred:
        part = read(one.lines_ref) if one.HasField("lines_ref") else one.lines
        assert part.count(b"\n") == one.count
        answers += part
    assert answers == b"".join(one.lines for one in inline)
    assert answers.count(b"\n") == 5000


def test_long_answers_are_lent_and_their_segments_used_again(worker: Worker) -> None:
    args = b'{"size":300000}'
    inline = worker.result("big", args=args)
    assert inline.value == b'"' + b"x" * 300_000 + b'"'
    short = worker.result("big", args=b'{"size":10}', takes_references=True)
    assert short.value == b'"xxxxxxxxxx"'
    lent = [worker.result("big", args=args, takes_references=True).value_ref for _ in range(3)]
    assert len({ref.path for ref in lent}) == 3
    for ref in lent:
        name = ref.path.removeprefix(f"{worker.folder}/w-1-")
        assert name.isdecimal()
        assert read(ref) == inline.value
    worker.peer.send(pb.ToWorker(released=[lent[0].path, lent[2].path, "/no/such"]))
    again = {worker.result("big", args=args, takes_references=True).value_ref.path for _ in range(2)}
    assert again == {lent[0].path, lent[2].path}
    assert read(lent[1]) == inline.value, "what is being read is not written"


def test_answers_that_are_kept_back_do_not_wait_for_a_slow_item(worker: Worker) -> None:
    seconds = [0.002] * 5 + [1.5]
    lines = "".join(f'{{"seconds":{one}}}\n' for one in seconds).encode()
    number = worker.call("burn", block=pb.Block(lines=lines, count=6), stream=True, credit_bytes=1 << 20)
    count = 0
    while count < 5:
        count += worker.peer.wait(pb.Chunks, "answers are kept back", wanted=lambda one: one.id == number).count
    assert not any(isinstance(one, pb.Result) for one in worker.peer.heard)
    assert count == 5
    worker.peer.result(number)
    worker.peer.chunks(number)


@pytest.mark.parametrize("name", LANGUAGES)
def test_without_room_answers_are_bytes(name: str, tmp_path: Path) -> None:
    one = Worker(name, tmp_path, segment_bytes=ABOVE)
    with one.peer:
        assert len(one.result("big", args=b'{"size":300000}', takes_references=True).value) == 300_002
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", LANGUAGES)
def test_without_shared_memory_answers_are_bytes(name: str, tmp_path: Path) -> None:
    one = Worker(name, tmp_path / "none")
    with one.peer:
        assert len(one.result("big", args=b'{"size":300000}', takes_references=True).value) == 300_002
        block = pb.Block(lines=b'{"a":1}\n' * 5000, count=5000)
        assert sum(part.count for part in one.block("add", block=block, takes_references=True)) == 5000


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_name_that_is_taken_is_not_written(name: str, tmp_path: Path) -> None:
    """Whoever plants a link where a segment will be gets nothing."""
    for number in range(1, 4):
        (tmp_path / f"w-1-{number}").symlink_to(tmp_path / "planted")
    one = Worker(name, tmp_path)
    with one.peer:
        assert len(one.result("big", args=b'{"size":300000}', takes_references=True).value) == 300_002
    assert not (tmp_path / "planted").exists()
