"""Durations as people write them: `30`, `250ms`, `90s`, `2m`, `1h30m`. Imports nothing: the fast path uses it."""

from __future__ import annotations

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse(text: str) -> float:
    """Seconds; a bare number is seconds. Raises ValueError for anything else, negative, or not finite."""
    total, rest = 0.0, text.strip().lower()
    if not rest:
        raise ValueError("an empty duration")
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        letters = len(rest) - len(rest.lstrip("mshd"))
        unit, rest = rest[:letters], rest[letters:]
        bare = not unit and not rest and not total
        if not number or (unit not in _UNITS and not bare):
            raise ValueError(f"{text!r} is not a duration (examples: 30, 250ms, 90s, 2m, 1h30m)")
        total += float(number) * _UNITS.get(unit, 1.0)
    return total


def show(seconds: float) -> str:
    """For people: `0.31 s`, `12 s`, `3 m 05 s`, `2 h 10 m`."""
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def fine(seconds: float) -> str:
    """For what may be very short: 180 µs, 12.3 ms, 1.5 s."""
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.99995 else show(seconds)
