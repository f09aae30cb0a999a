"""Starts a pool's workers: forks them from the pool's template where there is one, else executes each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from snakepit_cli.core.events import Failure
from snakepit_cli.launch.plan import Launch, Spec
from snakepit_cli.server.calls import error_mapping
from snakepit_cli.server.workers.warden_link import WardenLink
from snakepit_cli.server.workers.worker import Survivors, Worker

_MOST_LOSSES: Final = 5
"""Templates in a row that may die before a worker of theirs has attached."""


class Births:
    """Asks the warden for processes. The warden answers with an event for each of them, and for the template."""

    def __init__(self, warden: WardenLink, spec: Spec, launch: Launch, survivors: Survivors | None = None) -> None:
        self._warden = warden
        self.via: str | None = None
        """How workers are started, `template` or `exec`; None until the template has answered."""
        self.note: str | None = None
        """Why they start cold, or why the pool's template is not what it could be."""
        self._waiting: dict[str, Worker] = {}
        """Workers that start when the template has answered."""
        self._losses = 0
        self._request: int | None = None
        """Number of the last request for a template. None: the server before us made it."""
        self._spec, self._launch = spec, launch
        self._begin()
        if survivors is not None and launch.template is not None:
            self.via, self.note = survivors.start, survivors.note

    def _begin(self) -> None:
        warm = self._launch.template is not None
        self.via, self.note = (None, None) if warm else ("exec", self._launch.why_cold)

    def start(self, workers: Sequence[Worker]) -> None:
        if self.via is not None:
            self._ask_for(workers)
            return
        if not self._waiting:
            self._ask_for_template()
        self._waiting |= {worker.id: worker for worker in workers}

    def change(self, spec: Spec, launch: Launch) -> None:
        """Workers that start from now on run this. Those that still wait for the old template never start."""
        self._waiting.clear()
        self._retire()
        self._spec, self._launch = spec, launch
        self._losses = 0
        self._begin()

    def load_again(self) -> None:
        """The adapter is imported again before the next worker starts: its files may have changed."""
        if self.via is not None:
            self._retire()

    def _retire(self) -> None:
        if self._launch.template is not None:
            self._warden.send("retire", pool=self._spec.name)
            self.via = None

    def template_answered(self, message: Mapping[str, Any]) -> tuple[Iterable[str], Failure] | None:
        """The template is ready, or there is none and workers start cold. Returns the workers that cannot start, and
        why, when the adapter itself fails."""
        if self._request is not None and message.get("request") != self._request:
            return None  # about a template of before, which was on its way when `change` asked for another
        if message.get("died"):
            self.via = None  # it was ready once; the workers that wait, wait for the next one
            return None
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            self.via = None  # nothing needs it any more; the next start asks again
        elif message.get("lost") and self._may_ask_again():
            self.via = None
            self.start(list(waiting.values()))
        elif failure := message.get("failure"):
            return waiting, error_mapping.of_template(failure, self._spec.language)
        else:
            self.via = "template" if message["ready"] else "exec"
            self.note = message.get("note") if message["ready"] else error_mapping.why_cold(message)
            self._ask_for(waiting.values())
        return None

    def starts_again(self, worker: Worker) -> bool:
        """After its template died before it forked the worker. False when that has happened too often."""
        self.via = None
        if not self._waiting and not self._may_ask_again():
            return False
        worker.asked = False
        self.start([worker])
        return True

    def forget(self, worker: str) -> None:
        """It need not start any more."""
        self._waiting.pop(worker, None)

    def attached(self) -> None:
        self._losses = 0

    def ended(self, message: Mapping[str, Any]) -> None:
        """A worker that could not be started at all, e.g. on a full disk: the cause may have kept the template from
        running, too, so the next start asks for one again."""
        if self._launch.template is not None and self.via == "exec" and "code" not in message:
            self.via = None

    def _may_ask_again(self) -> bool:
        self._losses += 1
        return self._losses <= _MOST_LOSSES

    def _ask_for_template(self) -> None:
        """It replaces the pool's template, if there is one."""
        launch = self._launch
        self._request = 1 + (self._request or 0)
        self._warden.send(
            "template", pool=self._spec.name, argv=launch.template, env=launch.template_env, key=launch.key,
            go=launch.go, request=self._request,
        )  # fmt: skip

    def _ask_for(self, workers: Iterable[Worker]) -> None:
        tokens = {}
        for worker in workers:
            worker.asked = True
            tokens[worker.id] = worker.token
        self._warden.send(
            "spawn", pool=self._spec.name, via=self.via, argv=self._launch.argv, go=self._launch.go, tokens=tokens,
            talks=self._spec.dialect is not None,
        )  # fmt: skip
