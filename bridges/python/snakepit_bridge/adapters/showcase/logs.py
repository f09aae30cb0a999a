"""Follows a log file and picks out what matters."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase.loglines import LineSource, severity_of, timestamp_of
from snakepit_bridge.context import CallContext

__all__ = ["LogCommands"]

DEFAULT_PATTERNS = ("ERROR", "WARN", "CRITICAL", "FATAL", "Exception", "Traceback")


class LogCommands:
    """tail_and_analyze."""

    @command
    def tail_and_analyze(  # noqa: PLR0917 - the names are what callers use
        self,
        log_path: str,
        patterns: list[str] | None = None,
        context_lines: int = 2,
        follow: bool = True,
        limit: int | None = None,
        from_start: bool = True,
        poll_interval: float = 0.1,
        *,
        ctx: CallContext,
    ) -> Iterator[dict[str, Any]]:
        """Streams the lines of a log that match, with severity, time and the lines around them.

        Survives rotation and truncation, and waits for a file that does not exist yet. Ends at the end of the file
        (follow=false), after `limit` matches, or when it is cancelled.

        Args:
            log_path: The file, relative to the caller's directory.
            patterns: Regular expressions; the first that matches is reported.
            context_lines: Lines before and after each match.
            follow: Wait for more at the end of the file.
            limit: Stop after this number of matches.
            from_start: Begin with what the file holds already.
            poll_interval: Seconds between two looks at the file.
        """
        if isinstance(patterns, str):
            patterns = [patterns]
        compiled = [_compile(pattern) for pattern in (DEFAULT_PATTERNS if patterns is None else patterns)]
        _check_number("context_lines", context_lines, 0)
        _check_number("poll_interval", poll_interval, 0)
        if limit is not None:
            _check_number("limit", limit, 1)
        source = LineSource(ctx.path(log_path), from_start=from_start)
        if not follow and not source.exists():
            raise FileNotFoundError(f"no such file: {source.path}")
        return Analysis(source, compiled, context_lines, limit).run(follow, poll_interval)


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ValueError(f"`{pattern}` is not a regular expression: {error}") from None


def _check_number(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < least:
        raise ValueError(f"{name} must be a number of at least {least}, not {value!r}")


class Analysis:
    """The matches of one log, and the totals."""

    def __init__(self, source: LineSource, patterns: list[re.Pattern[str]], context: int, limit: int | None) -> None:
        self._source = source
        self._patterns = patterns
        self._context = int(context)
        self._limit = limit
        self._before: deque[str] = deque(maxlen=self._context)
        self._open: deque[dict[str, Any]] = deque()
        """Matches that still wait for lines after them."""
        self._lines = 0
        self._matches = 0
        self._by_pattern: Counter[str] = Counter()
        self._by_severity: Counter[str] = Counter()

    def run(self, follow: bool, poll_interval: float) -> Iterator[dict[str, Any]]:
        with self._source as source:
            while True:
                fresh = False
                for number, line in source.read(at_end=not follow):
                    fresh = True
                    self._take(number, line)
                    yield from self._complete()
                    if self._is_full() and not self._open:
                        yield self._totals("limit")
                        return
                if fresh:
                    continue
                # Nothing new: what matched should not wait for its neighbours any longer.
                yield from self._complete(all_of_them=True)
                if self._is_full() or not follow:
                    yield self._totals("limit" if self._is_full() else "end_of_file")
                    return
                time.sleep(poll_interval)

    def _is_full(self) -> bool:
        return self._limit is not None and self._matches >= self._limit

    def _take(self, number: int, line: str) -> None:
        self._lines += 1
        for match in self._open:
            match["context_after"].append(line)
        pattern = None if self._is_full() else next((one for one in self._patterns if one.search(line)), None)
        if pattern is not None:
            self._matches += 1
            severity = severity_of(line)
            self._by_pattern[pattern.pattern] += 1
            self._by_severity[severity or "unknown"] += 1
            self._open.append(
                {
                    "line_number": number,
                    "log_line": line,
                    "severity": severity,
                    "timestamp": timestamp_of(line),
                    "pattern_matched": pattern.pattern,
                    "context_before": list(self._before),
                    "context_after": [],
                    "is_final": False,
                }
            )
        self._before.append(line)

    def _complete(self, all_of_them: bool = False) -> Iterator[dict[str, Any]]:
        while self._open and (all_of_them or len(self._open[0]["context_after"]) >= self._context):
            yield self._open.popleft()

    def _totals(self, reason: str) -> dict[str, Any]:
        return {
            "is_final": True,
            "reason": reason,
            "total_lines": self._lines,
            "total_matches": self._matches,
            "by_pattern": dict(self._by_pattern),
            "by_severity": dict(self._by_severity),
            "rotations": self._source.rotations,
        }
