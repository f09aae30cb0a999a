"""Where an instance lives on disk, and whether those places are safe to use.

    runtime directory   sockets; short path, local file system, may vanish at logout
    state directory     lock, registry, logs; survives reboots

Both belong to one user (mode 0700): the directory is the wall that keeps other users out, because not every
system checks the mode of a socket. Imports only `os` at module level: the fast path uses it.
"""

from __future__ import annotations

import os

# sun_path holds 108 bytes with its NUL on Linux, 104 on macOS; the longest name we put in the directory is 14.
SOCKET_PATH_LIMIT = 103
_LONGEST_NAME = len("/front.sock.new")
_NAME_LIMIT = 32
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class PathError(Exception):
    """A directory cannot be used; the text says which and why."""


def valid_name(name: str) -> bool:
    """Instance and pool names: 1-32 letters, digits, `.`, `_`, `-`, beginning with a letter or digit."""
    return 0 < len(name) <= _NAME_LIMIT and name[0] not in "._-" and _NAME_CHARACTERS.issuperset(name)


def private_tmp() -> str:
    return f"/tmp/snakepit-{os.geteuid()}"  # noqa: S108 — checked by `secure` before use


def _fits(base: str, instance: str) -> bool:
    return len(os.fsencode(f"{base}/{instance}")) + _LONGEST_NAME <= SOCKET_PATH_LIMIT


def runtime_dir(instance: str) -> str:
    """Directory of the instance's sockets. Raises PathError when SNAKEPIT_RUNTIME_DIR makes socket paths too long."""
    if chosen := os.environ.get("SNAKEPIT_RUNTIME_DIR"):
        chosen = os.path.abspath(chosen)
        if not _fits(chosen, instance):
            raise PathError(
                f"socket path too long: {chosen}/{instance}/front.sock "
                f"(a socket path may have {SOCKET_PATH_LIMIT} bytes); choose a shorter SNAKEPIT_RUNTIME_DIR"
            )
        return f"{chosen}/{instance}"
    xdg = os.environ.get("XDG_RUNTIME_DIR")
    if xdg and _fits(f"{xdg}/snakepit", instance) and _is_mine_alone(xdg):
        return f"{xdg}/snakepit/{instance}"
    return f"{private_tmp()}/{instance}"


def _is_mine_alone(path: str) -> bool:
    """XDG_RUNTIME_DIR survives `su` and `sudo`, so it may well be another user's."""
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return info.st_uid == os.geteuid() and info.st_mode & 0o170777 == 0o040700


def state_root() -> str:
    """Directory that holds one state directory for each instance. Never on a network file system: see `displaced`."""
    wanted = _wanted_state_root()
    from snakepit_cli.base import mounts

    return wanted if mounts.remote(wanted) is None else f"/var/tmp/snakepit-{os.geteuid()}/state"  # noqa: S108 — as above


def displaced() -> str | None:
    """Why the state is not where it was wanted; None when it is."""
    wanted = _wanted_state_root()
    from snakepit_cli.base import mounts

    kind = mounts.remote(wanted)
    if kind is None:
        return None
    return f"{wanted} is on {kind}, where locks cannot be relied on: the state is kept in {state_root()}"


def _wanted_state_root() -> str:
    if chosen := os.environ.get("SNAKEPIT_STATE_DIR"):
        return os.path.abspath(chosen)
    xdg = os.environ.get("XDG_STATE_HOME")
    if xdg and _is_mine(xdg):
        return f"{xdg}/snakepit"
    home = os.path.expanduser("~")
    # No HOME and no passwd entry (a bare container): `~` stays as it is.
    if not os.path.isabs(home) or not os.access(home, os.W_OK) or not _is_mine(home):
        return f"{private_tmp()}/state"
    return f"{home}/.local/state/snakepit"


def _is_mine(path: str) -> bool:
    """Whether it, or the nearest directory above it that exists, is the user's own. `sudo` can leave HOME another
    user's: what root makes there, its owner could no longer change."""
    path = os.path.abspath(path)
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    try:
        return os.stat(path).st_uid == os.geteuid()
    except OSError:
        return False


def state_dir(instance: str) -> str:
    return f"{state_root()}/{instance}"


def config_file() -> str | None:
    """SNAKEPIT_CONFIG, else the user's config.toml when there is one. A user without a home has none."""
    if chosen := os.environ.get("SNAKEPIT_CONFIG"):
        return chosen
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    path = f"{folder}/snakepit/config.toml"
    return path if os.path.isabs(folder) and os.path.exists(path) else None


def secure(path: str) -> None:
    """Creates the directory for us alone, or checks that it is that. Raises PathError.

    Its parents are created when missing. What an attacker could have planted in a shared directory (a symlink,
    a directory owned by the attacker) is refused, not repaired.
    """
    try:
        _make(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        info = os.lstat(path)
        parent = os.lstat(os.path.realpath(os.path.dirname(path)))
    except OSError as error:
        raise PathError(f"{path}: {error.strerror}") from error
    if info.st_mode & 0o170000 != 0o040000:
        raise PathError(f"{path} is not a directory")
    if info.st_uid != os.geteuid():
        raise PathError(f"{path} belongs to uid {info.st_uid}, not to you")
    if info.st_mode & 0o077:
        raise PathError(f"{path} is open to others (mode {info.st_mode & 0o777:04o}); run: chmod 700 {path}")
    if parent.st_uid not in {0, os.geteuid()}:
        raise PathError(f"{os.path.dirname(path)} belongs to uid {parent.st_uid}, which could replace {path}")
    if parent.st_mode & 0o022 and not parent.st_mode & 0o1000:
        raise PathError(f"{os.path.dirname(path)} is writable by others without the sticky bit")
    if not os.access(path, os.W_OK | os.X_OK):
        raise PathError(f"{path} cannot be written")


def _make(path: str) -> None:
    """The directory and those above it, each for us alone: `makedirs` leaves the upper ones to the umask."""
    if path and not os.path.isdir(path):
        _make(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass


def is_ours(path: str) -> bool:
    """Whether a directory that exists is ours alone. One system call: the client asks before it connects."""
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return info.st_uid == os.geteuid() and info.st_mode & 0o170077 == 0o040000
