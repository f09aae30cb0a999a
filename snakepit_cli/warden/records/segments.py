"""The directory of the instance's segments: claimed at its start, cleared for each server, removed at its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakepit_cli.base import paths, shared_memory
from snakepit_cli.base.paths import PathError


class Segments:
    """Without a directory there is no shared memory, which costs time and nothing else."""

    def __init__(self, secret: str, runtime: Path, note: Callable[[str], None]) -> None:
        self._lock: int | None = None
        self._note = note
        try:
            self.folder: Path | None = shared_memory.folder(secret, str(runtime), note)
            self._lock = shared_memory.claim(self.folder)
        except (OSError, PathError) as error:
            note(f"there is no shared memory: {error}")
        if self._lock is None:
            self.folder = None

    def for_server(self) -> str | None:
        """The directory for a server that begins, which owns no segment yet."""
        if self.folder is None:
            return None
        try:
            # It may have been removed since, and another user may have put something in its place.
            paths.secure(str(self.folder))
            shared_memory.clear(self.folder)
        except (OSError, PathError) as error:
            self._note(f"there is no shared memory: {error}")
            return None
        return str(self.folder)

    def close(self) -> None:
        if self._lock is not None and self.folder is not None:
            shared_memory.remove(self.folder)
            os.close(self._lock)
            self._lock = None


def reap(secret: str, *, dry_run: bool) -> list[dict[str, Any]]:
    """Removes the directories of instances that have ended without doing so. A row of the report for that of the
    instance with this cookie; the others are no news of its."""
    rows = []
    for folder, count in shared_memory.remove_abandoned(dry_run=dry_run):
        title = f"{folder}: {count} of them"
        row = {"id": folder.name, "role": "segments", "pid": None, "title": title, "evidence": ["lock"]}
        if count and folder.name == shared_memory.name(secret):
            rows.append({**row, "ended": not dry_run and not folder.exists()})
    return rows
