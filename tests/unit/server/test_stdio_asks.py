"""What a program of the JSON dialect asks, without a program: what reaches the server, and what the program reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from snakepit_cli.server.workers import stdio_asks
from snakepit_cli.server.workers.stdio import ProgramCallbacks
from snakepit_cli.server.workers.stdio_asks import MOST_ASKS, ROOM
from snakepit_cli.server.workers.stdio_json import Program
from snakepit_cli.wire import worker_pb2 as pb

LONGEST = 10_000


class Pipe:
    """To the program and from it."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.unread = 0

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return self.unread

    def write(self, data: bytes) -> None:
        assert data.endswith(b"\n")
        self.lines += map(json.loads, data.splitlines())


class Talk:
    """With one request open: call 70 of the server, 1 of the program."""

    def __init__(self) -> None:
        self.said: list[pb.FromWorker] = []
        self.broken: list[str] = []
        self.program = Program(
            ProgramCallbacks(lambda _: None, self.said.append, self.broken.append, lambda: None, LONGEST)
        )
        self.pipe: Any = Pipe()
        self.program.sink = self.pipe
        self.program.connection_made(self.pipe)
        self.say(hello={"commands": ["a"]})
        self.program.call(70, "a", b"{}", session="s", metadata=b'{"who":"me"}')
        self.read()

    def say(self, **line: Any) -> None:
        self.program.data_received(json.dumps(line).encode() + b"\n")

    def ask(self, number: int = 1, within: Any = 1, **wish: Any) -> None:
        self.say(ask=number, **{"in": within}, **(wish or {"query": {"op": "var_get", "name": "x"}}))

    def read(self) -> list[dict[str, Any]]:
        """What the program was told since this was asked last."""
        lines, self.pipe.lines = self.pipe.lines, []
        return lines

    @property
    def requests(self) -> list[pb.Request]:
        return [one for message in self.said for one in message.requests]

    @property
    def withdrawals(self) -> list[int]:
        return [one for message in self.said for one in message.withdrawals]

    @property
    def credits(self) -> list[tuple[int, int]]:
        return [(one.id, one.bytes) for message in self.said for one in message.credits]


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_a_request_says_what_is_known_of_its_call(talk: Talk) -> None:
    talk.program.call(71, "t", b'{\n"a": "x\\ny"}', session="s", tool=True)
    talk.program.call(72, "b", b"{}", block=pb.Block(lines=b"1\n", count=1), metadata=b'{"k":"v"}')
    assert talk.read() == [
        {"id": 2, "command": "t", "session": "s", "tool": True, "args": {"a": "x\ny"}},
        {"id": 3, "command": "b", "metadata": {"k": "v"}, "args": {"item": 1}},
    ]


def test_asks_reach_the_server_within_the_call_of_their_request(talk: Talk) -> None:
    talk.ask(5)
    talk.ask(6, command="add", args={"a": 1}, pool="p", session="t", timeout=2.5)
    talk.ask(7, tool="parse", args={}, stream=True)
    query, call, tool = talk.requests
    assert {one.parent for one in talk.requests} == {70}
    assert (json.loads(query.query), call.tool, tool.tool) == ({"op": "var_get", "name": "x"}, False, True)
    assert (call.command, call.args, call.pool, call.session) == ("add", b'{"a": 1}', "p", "t")
    assert (call.timeout_seconds, call.stream, tool.stream, tool.credit_bytes) == (2.5, False, True, ROOM)
    talk.program.reply(pb.Result(id=tool.id, value=b"3"))
    failure = pb.Failure(name="command_failed", message="no", type="KeyError", traceback="here")
    talk.program.reply(pb.Result(id=query.id, failure=failure))
    assert talk.read() == [
        {"answer": 7, "value": 3},
        {"answer": 5, "error": {"kind": "command_failed", "message": "no", "type": "KeyError", "traceback": "here"}},
    ]
    talk.program.reply(pb.Result(id=tool.id, value=b"4"))
    assert talk.read() == []
    talk.ask(7)
    assert len(talk.requests) == 4
    assert not talk.broken


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ({"query": {}}, "usage", '"in" must be its id'),
        ({"in": None, "query": {}}, "usage", '"in" must be its id'),
        ({"in": 9, "query": {}}, "cancelled", "request 9 is not open"),
        ({"in": "1", "query": {}}, "usage", "malformed ask: Expected `int | null`, got `str` - at `$.in`"),
        ({"in": 1}, "usage", "one of query, command and tool"),
        ({"in": 1, "query": {}, "tool": "t"}, "usage", "one of query, command and tool"),
        ({"in": 1, "command": 5}, "usage", "at `$.command`"),
        ({"in": 1, "command": "c", "stream": 1}, "usage", "at `$.stream`"),
        ({"in": 1, "command": "c", "timeout": -1}, "usage", "at `$.timeout`"),
    ],
)
def test_what_cannot_be_asked_is_answered(talk: Talk, line: dict[str, Any], kind: str, words: str) -> None:
    talk.say(ask=1, **line)
    [answer] = talk.read()
    assert (answer["answer"], answer["error"]["kind"]) == (1, kind)
    assert words in answer["error"]["message"]
    assert (talk.requests, talk.broken) == ([], [])


@pytest.mark.parametrize(
    ("number", "words"), [(0, "from 1 on, not 0"), (-1, "from 1 on"), (1 << 60, "from 1 on"), (5, "it asked 5 again")]
)
def test_numbers_that_would_be_mixed_up_end_the_worker(talk: Talk, number: int, words: str) -> None:
    talk.ask(5)
    talk.ask(number)
    assert len(talk.broken) == 1
    assert words in talk.broken[0]


def test_a_number_of_asks_is_the_most(talk: Talk) -> None:
    for number in range(1, MOST_ASKS + 2):
        talk.ask(number)
    assert len(talk.requests) == MOST_ASKS
    [answer] = talk.read()
    assert (answer["answer"], answer["error"]["kind"]) == (MOST_ASKS + 1, "quota_exceeded")


def test_a_request_that_is_over_gives_up_what_it_asked(talk: Talk) -> None:
    talk.program.call(71, "a", b"{}")
    talk.ask(1)
    talk.ask(2, within=2)
    talk.ask(3)
    talk.say(cancel=3)
    talk.say(cancel=99)
    talk.say(id=1, result=None)
    assert talk.withdrawals == [3, 1, 3]
    talk.ask(4)
    assert talk.read()[-1]["error"]["kind"] == "cancelled"
    for number in (1, 3):
        talk.program.reply(pb.Result(id=number, failure=pb.Failure(name="cancelled", message="given up")))
    assert [one["answer"] for one in talk.read()] == [1, 3]
    assert not talk.broken


def test_a_program_that_waits_for_an_answer_is_not_taken_for_a_dead_one(talk: Talk) -> None:
    talk.program.ping(1)
    assert not any(message.HasField("pong") for message in talk.said)
    talk.ask()
    talk.program.ping(2)
    assert talk.said[-1].pong.nonce == 2


def test_chunks_make_room_as_they_are_read(talk: Talk) -> None:
    talk.ask(query={"op": "var_watch"})
    assert talk.requests[0].credit_bytes == ROOM
    talk.program.reply_chunks(1, b"1\n[2]\n")
    assert talk.read() == [{"answer": 1, "chunk": 1}, {"answer": 1, "chunk": [2]}]
    talk.program.flows(full=True)
    talk.program.reply_chunks(1, b"3\n")
    talk.program.reply_chunks(1, b"4\n")
    assert talk.credits == [(1, 6)]
    talk.program.flows(full=False)
    assert talk.credits == [(1, 6), (1, 4)]
    talk.program.reply_chunks(9, b"5\n")
    assert len(talk.read()) == 2


def test_a_program_that_does_not_read_its_answers_is_ended(talk: Talk) -> None:
    for number in (1, 2, 3):
        talk.ask(number)
    talk.pipe.unread = LONGEST
    talk.program.reply(pb.Result(id=1, value=b"1"))
    assert len(talk.read()) == 1
    talk.pipe.unread = LONGEST + 1
    for number in (2, 3):
        talk.program.reply(pb.Result(id=number, value=b"1"))
    assert talk.read() == []
    assert talk.broken == ["it does not read the answers to what it asks: 10,001 bytes wait"]


def test_ended_sessions_are_told(talk: Talk) -> None:
    talk.program.end_sessions(["s", "t"])
    assert talk.read() == [{"ended_session": "s"}, {"ended_session": "t"}]


def test_the_limits_are_those_of_the_page() -> None:
    assert (stdio_asks.MOST_ASKS, stdio_asks.ROOM) == (1000, 256 * 1024)
