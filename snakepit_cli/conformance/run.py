"""Runs the checks against a command line, one worker after another."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from snakepit_cli.base.errors import PitError
from snakepit_cli.conformance.checks import CHECKS, MARK, Check
from snakepit_cli.conformance.offer import planned
from snakepit_cli.conformance.peer import NAME, PATIENCE, FailedError, Peer
from snakepit_cli.launch import environment
from snakepit_cli.settings.schema import AdapterSettings
from snakepit_cli.wire import worker_pb2 as pb


@dataclass(frozen=True)
class Finding:
    promise: str
    state: str
    """ok | failed | skipped"""
    why: str = ""


def examine(
    argv: tuple[str, ...], adapter: str | None, custom: AdapterSettings | None, environ: Mapping[str, str], cwd: str
) -> Iterator[Finding]:
    """Findings about a command line, or about the bridge of an adapter; `custom` is what the configuration says of it.

    Raises PitError.
    """
    env: Mapping[str, str] = environment.for_workers(environ)
    if adapter is not None:
        spec, plan = planned(adapter, custom, environ, cwd)
        if spec.dialect is not None:
            hint = "see docs/reference/stdio-protocol.md"
            raise PitError("usage", "programs that talk by lines have a protocol of their own", hint=hint)
        argv, env = tuple(part.replace("{worker}", NAME) for part in plan.argv), plan.env
    elif shutil.which(argv[0]) is None:
        raise PitError("runtime_not_found", f"there is no program {argv[0]!r}")
    return Examination(argv, env, cwd).findings()


class Examination:
    """A worker is kept for as many checks as it lives through."""

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str, patience: float = PATIENCE) -> None:
        self._command = argv, env, cwd, patience
        self._peer: Peer | None = None
        self._hello = pb.Hello()

    def findings(self) -> Iterator[Finding]:
        """Each as soon as it is known."""
        try:
            for check in CHECKS:
                yield self.finding(check)
        finally:
            self.part()

    def finding(self, check: Check) -> Finding:
        try:
            if check.bare:
                self.part()
                with Peer(*self._command) as peer:
                    check.run(peer, pb.Hello())
                return Finding(check.promise, "ok")
            peer = self._peer or self._meet()
            offered = {one.name for one in self._hello.commands}
            # Names like these may mean something else to a worker that does not know of us.
            missing = set(check.needs) - (offered if MARK in offered else set())
            if missing:
                return Finding(check.promise, "skipped", f"it has no command {', '.join(sorted(missing))}")
            check.run(peer, self._hello)
        except FailedError as error:
            self.part()
            return Finding(check.promise, "failed", str(error))
        if check.ends:
            self.part()
        return Finding(check.promise, "ok")

    def _meet(self) -> Peer:
        peer = self._peer = Peer(*self._command)
        self._hello = peer.attach(60.0)
        return peer

    def part(self) -> None:
        """Ends the worker that is there, if any."""
        with contextlib.suppress(OSError):
            if self._peer is not None:
                self._peer.__exit__(None, None, None)
        self._peer = None
