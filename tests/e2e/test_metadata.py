"""What `--meta` sends along is what the handler sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.pit import Pit

ADAPTER = """
from snakepit_bridge import BaseAdapter, CallContext, command


class Adapter(BaseAdapter):
    @command
    def seen(self, ctx: CallContext, item: int = 0) -> dict:
        return dict(ctx.metadata)

    @command
    def seen_later(self, ctx: CallContext):
        yield dict(ctx.metadata)
"""
WORDS = ("--meta", "user=ada", "--meta", "query=a=b, ü")
SEEN = '{"user":"ada","query":"a=b, ü"}\n'


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit('[pools.default]\nsize = 1\nadapter = "adapter.py"\n') as one:
        (one.folder / "adapter.py").write_text(ADAPTER)
        yield one


def test_of_calls_and_streams(pit: Pit) -> None:
    assert pit.run("exec", "seen", *WORDS).stdout == SEEN
    assert pit.run("exec", "seen").stdout == "{}\n"
    assert pit.run("stream", "seen_later", *WORDS).stdout == SEEN
    assert pit.run("map", "seen", *WORDS, input="1\n2\n").stdout == SEEN * 2


def test_of_a_detached_stream(pit: Pit) -> None:
    name = pit.run("stream", "seen_later", *WORDS, "--detach").stdout.strip()
    assert pit.run("tail", name).stdout == SEEN
