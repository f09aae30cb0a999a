"""From `statistics.mean` to the function, within the modules that the pool names.

This keeps callers to the modules that were meant. It is no sandbox: a caller of `os.system`, or of a function that
evaluates text, can do everything that the worker can. Name modules that do no harm in the hands of the callers.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from snakepit_bridge.failures import did_you_mean

__all__ = ["TargetError", "Targets", "step"]

_INNARDS = frozenset(
    f"{owner}_{what}"
    for owner, parts in {
        "gi": "frame code yieldfrom", "cr": "frame code await origin", "ag": "frame code await", "tb": "frame next",
        "f": "back builtins code globals locals",
    }.items()
    for what in parts.split()
)  # fmt: skip
"""Attributes of generators and frames that lead to the globals of any module."""
_FORMATTERS = frozenset({"format", "format_map"})
"""Of text: they read attributes by names in the text."""


class TargetError(ValueError):
    """The target is not there, or the pool does not name its module."""


class Targets:
    """What the modules offer."""

    def __init__(self, modules: Sequence[str], pool: str) -> None:
        self._modules = tuple(modules)
        self._setting = f"modules = [{{}}] below [pools.{pool}] in the configuration"

    def find(self, target: str) -> Any:
        """The module, function, class or value. Raises TargetError, and whatever importing the module raises."""
        root = max((one for one in self._modules if _is_within(target, one)), key=len, default=None)
        if root is None:
            raise TargetError(self._refused(target))
        found: Any = importlib.import_module(root)
        path = root
        for name in target[len(root) + 1 :].split(".") if target != root else ():
            found, path = self._member(found, path, name), f"{path}.{name}"
        return found

    def _member(self, holder: Any, path: str, name: str) -> Any:
        if isinstance(holder, ModuleType) and not hasattr(holder, name) and name.isidentifier() and name[0] != "_":
            try:
                return importlib.import_module(f"{holder.__name__}.{name}")
            except ModuleNotFoundError:
                pass
        found = step(holder, path, name)
        if isinstance(holder, ModuleType) or isinstance(found, ModuleType):
            self._check_home(holder, path, name, found)
        return found

    def _check_home(self, holder: Any, path: str, name: str, found: Any) -> None:
        if not self._belongs(holder, name, found):
            text = f"`{path}.{name}` is not `{path}`'s own: it belongs to {_home(found)}"
            raise TargetError(f"{text}, which the pool does not name (set {self._with(_home(found))})")

    def _belongs(self, holder: Any, name: str, found: Any) -> bool:
        if isinstance(found, ModuleType):
            return self._is_named(found.__name__)
        if name in getattr(holder, "__all__", ()):
            return True
        # Accelerators in C are called as the module with an underscore in front.
        home = getattr(found, "__module__", None)
        return not isinstance(home, str) or self._is_named(home) or self._is_named(home.lstrip("_"))

    def _is_named(self, module: str) -> bool:
        return any(_is_within(module, one) for one in self._modules)

    def _refused(self, target: str) -> str:
        module = target.rpartition(".")[0] or target
        if not self._modules:
            return f"the pool names no modules, so that `{target}` cannot be used: set {self._with(module)}"
        named = ", ".join(self._modules)
        hint = did_you_mean(target.partition(".")[0], self._modules)
        return f"`{target}` is in none of the pool's modules ({named}){hint or ''}: set {self._with(module)}"

    def _with(self, module: str) -> str:
        return self._setting.format(", ".join(f'"{one}"' for one in [*self._modules, module]))


def step(holder: Any, path: str, name: str) -> Any:
    """A public attribute. Raises TargetError."""
    if not name.isidentifier():
        raise TargetError(f"`{path}.{name}`: {name!r} is not a name")
    if name.startswith("_") or name in _INNARDS or (isinstance(holder, str) and name in _FORMATTERS):
        raise TargetError(f"`{path}.{name}` is private: names that begin with `_`, and those that lead to others' code")
    try:
        return getattr(holder, name)
    except AttributeError:
        hint = did_you_mean(name, [one for one in dir(holder) if not one.startswith("_")])
        raise TargetError(f"`{path}` has no `{name}`{hint}") from None


def _is_within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def _home(found: Any) -> str:
    return str(found.__name__ if isinstance(found, ModuleType) else found.__module__)
