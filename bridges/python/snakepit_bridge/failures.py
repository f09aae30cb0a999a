"""Why a call or a start came to nothing, in the words of the contract."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable

from snakepit_bridge import worker_pb2 as pb

__all__ = ["Refusal", "did_you_mean", "failure", "from_exception"]

Kind = pb.Failure.Kind

TEXT_LIMIT = 64 * 1024
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_ADAPTERS = os.path.join(_PACKAGE, "adapters") + os.sep


class Refusal(Exception):  # noqa: N818 - it carries a failure, it is not one more error class of the user's
    """The bridge itself says no: carries the failure that answers the call or the start."""

    def __init__(self, reason: pb.Failure) -> None:
        super().__init__(reason.message)
        self.failure = reason


def failure(kind: pb.Failure.Kind, message: str, type_name: str = "", trace: str = "") -> pb.Failure:
    """A failure whose texts are safe to send."""
    return pb.Failure(kind=kind, type=_safe(type_name), message=_safe(message), traceback=_safe(trace))


def from_exception(error: BaseException, kind: pb.Failure.Kind) -> pb.Failure:
    """What the user's code raised, without the frames of the bridge."""
    text = describe_error(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        text = f"{text} (in {sys.executable}; to install it: {sys.executable} -m pip install {package})"
    return failure(kind, text, type(error).__name__, format_trimmed(error))


def describe_error(error: BaseException) -> str:
    """`str(error)`, even if that raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - anything may be wrong with the user's class
        return f"<unprintable {type(error).__name__} object>"


def format_trimmed(error: BaseException) -> str:
    """The traceback as Python prints it, starting in the user's code."""
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__)
        _trim(report, set())
        theirs = getattr(error, "traceback", "") if type(error).__module__.startswith("snakepit_bridge") else ""
        return "".join(report.format()) + (f"\nThe other handler's traceback:\n{theirs}" if theirs else "")
    except Exception:  # noqa: BLE001 - a broken exception must not break its report
        return f"{type(error).__name__}: {describe_error(error)}\n"


def _trim(report: traceback.TracebackException | None, seen: set[int]) -> None:
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    frames = list(report.stack)
    while frames and _is_ours(frames[0].filename):
        frames.pop(0)
    while frames and _is_ours(frames[-1].filename):  # how the bridge asks the server
        frames.pop()
    report.stack[:] = frames
    _trim(report.__cause__, seen)
    _trim(report.__context__, seen)


def _is_ours(filename: str) -> bool:
    if filename.startswith("<frozen importlib"):
        return True
    if filename.endswith(os.path.join("importlib", "__init__.py")):
        return True
    return filename.startswith(_PACKAGE) and not filename.startswith(_ADAPTERS)


def _safe(text: str) -> str:
    """Valid UTF-8 (protobuf insists) of a bounded length."""
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT // 2] + "\n[... cut ...]\n" + text[-TEXT_LIMIT // 2 :]
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"; did you mean `ping`?"` when something near is known, else nothing."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return "; did you mean " + " or ".join(f"`{one}`" for one in near) + "?" if near else ""
