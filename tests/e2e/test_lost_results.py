"""A long result that its reader cannot read: the command has run once, and is not run again."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

import pytest

from snakepit_cli.base import shared_memory
from snakepit_cli.base.errors import PitError
from tests.harness.pit import Pit

LONG = 1_000_000
ADAPTER = """
import resource
from snakepit_bridge import BaseAdapter, CallContext, command

class Lost(BaseAdapter):
    runs = 0

    @command
    def lengthened(self, text: str):
        Lost.runs += 1
        return text + "."

    @command
    def ran(self):
        return Lost.runs

    @command
    def asked(self, text: str, ctx: CallContext):
        ctx.call("lengthened", text=text, pool="other")  # from now on there is a segment for the arguments
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            ctx.call("lengthened", text=text, pool="other")
        except Exception as error:
            return error.kind
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
"""


@pytest.fixture
def pit() -> Iterator[Pit]:
    with Pit() as one:
        one.adapter(ADAPTER)
        for pool in ("default", "other"):
            one.run("up", pool, "--adapter", "adapter.py:Lost", "--size", "1")
        yield one


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_of_a_handlers_call(pit: Pit) -> None:
    with pit.connection() as connection:
        assert connection.call_value("asked", {"text": "x" * LONG}) == "server_restarted"
        assert connection.call_value("ran", pool="other") == 2


def test_of_a_programs_call(pit: Pit) -> None:
    with pit.connection() as connection:
        given = {"text": "x" * LONG}
        connection.call_value("lengthened", given)  # from now on there is a segment for the arguments
        for _ in range(5):
            with no_descriptors(), pytest.raises(PitError, match="the answer is lost: ") as raised:
                connection.call_value("lengthened", given)
            assert raised.value.kind == "server_restarted"
        assert connection.call_value("ran") == 6
        names = [path.name for path in shared_memory.folder(pit.cookie, "/nowhere").glob("default-*")]
        assert len(names) <= 3, "what could not be read is given back"
