"""What kind of file system a path lies on."""

from __future__ import annotations

import os

MOUNTINFO = "/proc/self/mountinfo"
_REMOTE = frozenset({
    "9p", "afs", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "ncpfs", "nfs", "nfs4",
    "smb3", "smbfs",
})  # fmt: skip
"""Kinds on which locks, or SQLite's write-ahead log, which needs shared memory, cannot be relied on."""


def remote(path: str) -> str | None:
    """The kind of the file system when locks are not reliable there; None when they are, or when it is unknown."""
    kind = _kind(_existing(os.path.realpath(path)))
    return kind if kind in _REMOTE else None


def _existing(path: str) -> str:
    while path != "/" and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _kind(path: str) -> str | None:
    """Of the mount that holds the path: the one with the longest name, and of two of the same name the later."""
    try:
        with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    best, kind = "", None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split()[4]) if before.count(" ") >= 4 else None
        if point is not None and after and _holds(point, path) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def _holds(point: str, path: str) -> bool:
    return f"{path}/".startswith(point if point.endswith("/") else f"{point}/")


def _unescaped(point: str) -> str:
    """Spaces, tabs, line breaks and backslashes are written as octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point
