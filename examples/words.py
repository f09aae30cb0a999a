"""An adapter of one's own: every method with `@command` becomes a command of the pool.

snakepit up words --adapter examples/words.py --size 2
snakepit exec count text='the end of a line' --pool words
snakepit stream lines path=README.md --pool words --raw
"""

from __future__ import annotations

from collections.abc import Iterator

from snakepit_bridge import BaseAdapter, CallContext, command


class Words(BaseAdapter):
    """Counts words and reads files."""

    def initialize(self) -> None:
        """Load models here: once per worker, not once per call."""
        self.little = {"a", "an", "of", "the"}

    @command
    def count(self, text: str, every: bool = False) -> dict[str, int]:
        """Counts the words of a text.

        Args:
            text: What to count in.
            every: Count the little words too.
        """
        return {"words": sum(every or word not in self.little for word in text.lower().split())}

    @command
    def lines(self, path: str, ctx: CallContext) -> Iterator[str]:
        """Streams the lines of a file; the name is relative to the caller's directory."""
        with ctx.path(path).open() as file:
            for line in file:
                yield line.rstrip("\n")
