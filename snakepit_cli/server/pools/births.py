"""What the warden is asked for when a pool wants workers."""

from __future__ import annotations

from collections.abc import Iterable

from snakepit_cli.launch.plan import Launch, Spec
from snakepit_cli.server.workers.warden_link import WardenLink
from snakepit_cli.server.workers.worker import Start, Survivors, Worker


def start(launch: Launch, survivors: Survivors | None) -> Start:
    if launch.template is None:
        return Start("exec", launch.why_cold, exists=False)
    return Start(survivors.start, survivors.note) if survivors else Start()


def ask_for_template(warden: WardenLink, spec: Spec, launch: Launch) -> None:
    """One that replaces the pool's template, if it has one. The warden answers with an event `template`."""
    warden.send(
        "template", pool=spec.name, argv=launch.template, env=launch.template_env, key=launch.key, go=launch.go
    )  # fmt: skip


def ask_for_workers(warden: WardenLink, spec: Spec, launch: Launch, via: str | None, workers: Iterable[Worker]) -> None:
    """The warden answers with an event for each."""
    tokens = {}
    for worker in workers:
        worker.asked = True
        tokens[worker.id] = worker.token
    warden.send(
        "spawn", pool=spec.name, via=via, argv=launch.argv, go=launch.go, tokens=tokens,
        talks=spec.dialect is not None,
    )  # fmt: skip
