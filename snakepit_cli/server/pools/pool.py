"""I/O shell of `core.Pool`: turns messages into events and effects into messages."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.base.ids import WorkerId
from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.core import effects as fx
from snakepit_cli.core import events as ev
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pool import Pool as Machine
from snakepit_cli.launch.plan import Launch, Spec
from snakepit_cli.server.calls import error_mapping
from snakepit_cli.server.calls.call import Call
from snakepit_cli.server.calls.nested_calls import Asked, Host, NestedCalls
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.pools import answers, dispatch, views
from snakepit_cli.server.pools.answers import SegmentAnswers
from snakepit_cli.server.pools.births import Births
from snakepit_cli.server.pools.call_policy import CallPolicy
from snakepit_cli.server.pools.conversations import Conversations
from snakepit_cli.server.pools.driver import Driver
from snakepit_cli.server.pools.readiness import Readiness
from snakepit_cli.server.segments import Lent
from snakepit_cli.server.tools import loops
from snakepit_cli.server.workers.warden_link import WardenLink
from snakepit_cli.server.workers.worker import Survivor, Survivors, Worker
from snakepit_cli.server.workers.worker_link import Link
from snakepit_cli.wire import worker_pb2 as pb

_clock = time.monotonic
_FAREWELL_SECONDS = 3.0
_EXIT_SECONDS = 0.5


class Pool:
    def __init__(  # noqa: PLR0917
        self, spec: Spec, launch: Launch, warden: WardenLink, coalescer: Coalescer, changed: Callable[[Pool], None],
        host: Host, survivors: Survivors | None = None, longest: int = 32 << 20,
    ) -> None:  # fmt: skip
        """Starts its workers.

        `changed` is called when there are others, or in another state, than before. `host` gets what handlers ask
        for. `longest`: bytes of a line of a program that talks by lines.
        """
        self._conversations = Conversations(self, longest)
        self._host = host
        self._describe(spec)
        self.generation = survivors.generation if survivors else 0
        """Counts what the pool has run: another adapter, environment, … is another one."""
        self.workers: dict[str, Worker] = {}
        self.commands: tuple[pb.CommandSpec, ...] = ()
        self.next_worker = survivors.next_worker if survivors else 1
        self.served_since = 0.0
        """When the first worker was attached; 0 while none has been."""
        self._warden = warden
        self._calls: dict[int, Call] = {}
        self._lent = SegmentAnswers(coalescer, self.broken)
        self._beyond = 0  # items of blocks that have been answered, less the blocks
        self._births = Births(warden, spec, launch, survivors)
        self._machine = Machine(spec.name, spec.size, self.limits, first_worker=self.next_worker, spare=spec.spare)
        self._feed = Driver(self._machine, coalescer, self._perform, self._failed, self._announce).feed
        self._tell = changed
        self._loop = asyncio.get_running_loop()
        self.readiness = Readiness(self._machine.snapshot)
        self.drained = asyncio.Event()
        self.quiet = asyncio.Event()
        """No call waits or runs."""
        self.quiet.set()
        self._adopt(survivors.workers if survivors else ())
        self.admit(survivors.gate if survivors else ev.Gate.OPEN)
        self.resize(spec.size)

    def _describe(self, spec: Spec) -> None:
        self.spec = spec
        self.limits = Limits(**spec.limits)  # type: ignore[arg-type]
        self._rules = None if spec.custom is None else CallPolicy(spec.adapter, spec.custom)

    def _adopt(self, survivors: Sequence[Survivor]) -> None:
        for one in survivors:
            self.workers[one.id] = one.worker()
        self._feed(ev.Adopt(tuple(one.id for one in survivors)))

    # ------------------------------------------------------------------------------------------ asked

    def resize(self, size: int) -> None:
        self._feed(ev.Resize(size))

    def drain(self, grace: float) -> None:
        self._feed(ev.Drain(grace))

    def admit(self, gate: ev.Gate) -> None:
        self.gate = gate
        self._feed(ev.Admit(gate))

    def replace(self, workers: Sequence[str], *, anew: bool = False) -> None:
        """One after another, without a call that fails. `anew`: the adapter is loaded again."""
        if anew:
            self._births.load_again()
        if anew and self._machine.snapshot().reason is not None:
            self._feed(ev.Resize(self._machine.snapshot().size))  # it had given up, which may be mended by now
        self._feed(ev.Replace(tuple(workers)))

    def roll_out(self, spec: Spec, launch: Launch) -> None:
        """Runs this from now on. Workers are replaced as by `replace`."""
        self._describe(spec)
        self.generation += 1
        self._births.change(spec, launch)
        self._feed(ev.Rollout(spec.size, spec.spare, self.limits))

    def old_workers(self) -> list[str]:
        """Those that run what the pool ran before the last `roll_out`."""
        return [worker.id for worker in self.workers.values() if worker.generation != self.generation]

    async def replaced(self, workers: Sequence[str], seconds: float) -> None:
        """Waits until these are gone, and all others attached. Raises PitError as `settled`."""
        await self.readiness.until(
            lambda seen: not self.workers.keys() & set(workers) and seen.ready >= seen.size, seconds,
            lambda seen, limit: views.not_replaced(seen, limit, set(workers), self._calls.values()),
        )  # fmt: skip

    def submit(self, call: Call) -> None:
        """Raises PitError."""
        header = call.header
        failpoint("server.call")
        timeout = header.timeout
        if self._rules is not None:
            if header.args_ref is not None:
                raise PitError("reference_failed", "arguments that are to be checked must be sent as bytes")
            self._rules.check(header.command, call.args, block=call.block is not None, calls=header.calls)
            timeout = timeout or self._rules.timeout(header.command)
        if type(call.caller) is Asked:
            loops.check(call, call.caller, self.workers, lambda: self._machine.snapshot().size)
        self._calls[call.id] = call
        self.quiet.clear()
        self._feed(
            ev.Submit(
                call.id, header.command, header.session, timeout, header.stream, call.block is not None,
                header.affinity, header.idempotent, call.only, header.calls,
            )
        )  # fmt: skip

    def cancel(self, call: Call) -> None:
        self._feed(ev.Cancel(call.id))

    def cancel_number(self, number: int) -> bool:
        """Cancels a call by its number; False when the pool does not have it."""
        if number not in self._calls:
            return False
        self._feed(ev.Cancel(number))
        return True

    def resume(self, call: Call) -> None:
        """The caller reads again: its stream gets the room it is owed."""
        if call.credit.used:
            self._grant(call)

    @property
    def ending(self) -> bool:
        """It is being stopped for good."""
        return self._machine.snapshot().state in {"draining", "drained"}

    @property
    def failed(self) -> bool:
        """It has given up starting workers, and none serves."""
        return self._machine.snapshot().state == "failed"

    def home(self, session: str) -> str | None:
        """The worker that served it last, while that is there."""
        home = self._machine.home(session)
        return home if home in self.workers else None

    def snapshot(self) -> dict[str, Any]:
        return views.of_pool(self.spec, self._births, self._machine.snapshot(), self._beyond)

    def worker_rows(self) -> Iterator[dict[str, Any]]:
        return views.of_workers(self.workers, self._machine.snapshot(), self._calls.values(), _clock())

    async def settled(self, seconds: float) -> dict[str, Any]:
        """Waits until all workers are attached, and old ones gone. Raises PitError when the pool gives up, or after
        `seconds`."""
        if old := self.old_workers():
            await self.replaced(old, seconds)
        else:
            await self.readiness.complete(seconds)
        return self.snapshot()

    # --------------------------------------------------------------------------------------- happened

    def template_answered(self, message: dict[str, Any]) -> None:
        """The template is ready, or there is none; or the adapter has failed in it."""
        if (failed := self._births.template_answered(message)) is not None:
            self._never_started(*failed)

    def spawned(self, name: str, pid: int, talk: Ends | None) -> None:
        """`talk`: the other ends of the standard input and output of a program that talks by lines."""
        worker = self.workers.get(name)
        if worker is not None:
            worker.pid = pid
        if talk is not None and worker is not None:
            self._conversations.begin(worker, talk, self.spec.dialect)
        elif talk is not None:
            talk.close()

    def broken(self, worker: Worker, why: str) -> None:
        """A program does not keep to its protocol: nothing that it says can be relied on any more."""
        failure = ev.Failure("worker_crashed", f"worker {worker.id} was ended: {why}", (("worker", worker.id),))
        if worker.link is not None:
            self.unresponsive(worker, failure)
            return
        self._warden.send("kill", worker=worker.id)
        self._feed(ev.StartFailed(worker.id, ev.Failure("adapter_failed", why), permanent=True))

    def attached(self, worker: Worker, hello: pb.Hello, link: Link) -> None:
        if worker.id not in self.workers:
            return  # a program that has ended before it was attached
        worker.link = link
        worker.capacity = max(1, hello.capacity)
        worker.nested = NestedCalls(link, self._host, worker.id, hello.language or self.spec.language)
        self.served_since = self.served_since or _clock()
        self._feed(ev.Attached(worker.id, worker.capacity, tuple(hello.sessions)))
        old = worker.generation != self.generation  # a survivor of a server that died in the middle of a rollout
        if old:
            self._feed(ev.Replace((worker.id,)))
        else:
            self._births.attached()
        if not old or not self.commands:
            self.commands = tuple(one for one in hello.commands if self._rules is None or self._rules.knows(one.name))

    def start_failed(self, worker: Worker, failure: pb.Failure) -> None:
        reason = error_mapping.as_core(error_mapping.of_worker(failure, self.spec.language))
        self._feed(ev.StartFailed(worker.id, reason, permanent=True))

    def hung_up(self, worker: Worker) -> None:
        """Its stream ended. It is on its way out, and a signal would hide how it ends; or it cannot be reached."""
        self._loop.call_later(_EXIT_SECONDS, self._end_mute, worker)

    def _end_mute(self, worker: Worker) -> None:
        if self.workers.get(worker.id) is worker:
            self._warden.send("stop", worker=worker.id, grace=_FAREWELL_SECONDS)

    def exited(self, worker: str, message: dict[str, Any]) -> None:
        gone = self.workers.get(worker)
        if gone is None or (message.get("lost") and self._births.starts_again(gone)):
            return
        self._births.ended(message)
        del self.workers[worker]
        if gone.nested is not None:
            gone.nested.give_up()
        answers.salvage(gone, self._calls)
        if gone.segments is not None:
            gone.segments.gone()
        self._feed(ev.Exited(worker, error_mapping.of_exit(worker, message, attached=gone.link is not None)))

    def unresponsive(self, worker: Worker, failure: ev.Failure) -> None:
        answers.salvage(worker, self._calls)
        self._feed(ev.Unresponsive(worker.id, failure))

    def heard(self, worker: Worker, message: pb.FromWorker) -> None:
        worker.heard = True
        if message.chunks:
            self._heard_chunks(worker, message)
        for request in message.requests:
            parent = self._calls.get(request.parent)
            parent = parent if parent is not None and parent.worker == worker.id else None
            worker.ask(request, parent, self.spec.name, self._lent.lend)
        if message.segment_bytes and worker.segments is not None and worker.link is not None:
            worker.link.segment_bytes(worker.segments.grant(message.segment_bytes))
        for number in message.withdrawals:
            worker.withdraw(number)
        if (nested := worker.nested) is not None and nested.has_asked:
            nested.heard(message)
        for result in message.results:
            self._heard_result(worker, result)

    def _heard_chunks(self, worker: Worker, message: pb.FromWorker) -> None:
        for chunk in message.chunks:
            call = self._calls.get(chunk.id)
            lent = None
            if chunk.HasField("lines_ref") and (lent := self._lent.lend(worker, call, chunk.lines_ref)) is None:
                return
            if call is not None and call.worker == worker.id:
                self._chunks_read(call, answers.pass_on(call, chunk, lent, self._chunks_read))
                if call.header.items is not None:
                    worker.requests += chunk.count
                    self._beyond += chunk.count
                    self._feed(ev.Progress(call.id))
            elif lent is not None:
                lent.release()

    def _chunks_read(self, call: Call, size: int) -> None:
        call.credit.use(size)
        if call.open and call.credit.is_due and not call.caller.congested:
            self._grant(call)

    def _heard_result(self, worker: Worker, result: pb.Result) -> None:
        failpoint("server.result")
        call = self._calls.get(result.id)
        if call is not None:
            call.trace.ran = result.run_seconds
        outcome = result.WhichOneof("outcome")
        if outcome == "value_ref":
            if (lent := self._lent.lend(worker, call, result.value_ref)) is not None:
                self._feed(ev.Finished(worker.id, result.id, lent))
                self._lent.hold(lent)
        elif outcome != "failure":
            block = call is not None and call.header.items is not None
            value = answers.end_of_block(result) if block else result.value
            self._feed(ev.Finished(worker.id, result.id, value))
        elif result.failure.kind == pb.Failure.RECALLED:
            self._feed(ev.Returned(worker.id, result.id))
        else:
            reply = error_mapping.of_worker(result.failure, self.spec.language, worker=worker.id)
            self._feed(ev.Finished(worker.id, result.id, reply, failed=True))

    def _grant(self, call: Call) -> None:
        if (worker := self.workers.get(call.worker or "")) is not None and worker.link is not None:
            worker.link.credit(call.id, call.credit.give_all())

    # ------------------------------------------------------------------------------------ the machine

    def _perform(self, effect: fx.Effect) -> None:
        _PERFORM[type(effect)](self, effect)

    def _failed(self, what: ev.Event | fx.Effect, error: Exception) -> None:
        """An event or effect has raised: a bug, or what the warden cannot be asked for. Its call or workers end."""
        reason = error_mapping.of_exception(error)
        match what:
            case fx.Dispatch(worker=worker, call=call):
                self._feed(ev.Finished(worker, call, reason, failed=True))
            case fx.Spawn(workers=workers):
                self._never_started(workers, error_mapping.as_core(reason))
            case ev.Submit(call=call) | ev.Finished(call=call):
                self._feed(ev.Cancel(call))
                self._answer(call, reason)
            case ev.Cancel(call=call) | fx.Settle(call=call):
                self._answer(call, reason)

    def _announce(self) -> None:
        self.readiness.changed()
        self._tell(self)

    def _spawn(self, effect: fx.Spawn) -> None:
        now = _clock()
        for name in effect.workers:
            self.workers[name] = Worker(name, secrets.token_hex(16), now, generation=self.generation)
            if (worker := WorkerId.parse(name)) is not None:
                self.next_worker = worker.number + 1
        self._births.start([self.workers[name] for name in effect.workers])

    def _never_started(self, workers: Iterable[str], reason: ev.Failure) -> None:
        for name in workers:
            self._births.forget(name)
            if self.workers.pop(name, None):
                self._feed(ev.StartFailed(name, reason, permanent=True))

    def _dispatch(self, effect: fx.Dispatch) -> None:
        worker = self.workers[effect.worker]
        call = self._calls[effect.call]
        call.worker = call.trace.worker = effect.worker
        call.trace.dispatched = now = _clock()
        call.deadline = now + effect.timeout
        header = call.header
        worker.requests += header.items is None
        self._beyond -= header.items is not None
        if worker.link is None:
            return
        if (refusal := dispatch.refusal(call, worker.link, self.spec.name)) is not None:
            self._feed(ev.Finished(worker.id, call.id, refusal, failed=True))
        else:
            dispatch.send(call, worker.link, effect.timeout)

    def _settle(self, effect: fx.Settle) -> None:
        outcome, pool = effect.outcome, self.spec.name
        self._answer(effect.call, error_mapping.of_core(outcome, pool) if isinstance(outcome, ev.Failure) else outcome)

    def _answer(self, number: int, outcome: bytes | Lent | PitError) -> None:
        call = self._calls.pop(number, None)
        if call is None:
            return  # it has been given up for an internal error
        call.open = False
        if call.holds:
            self._host.settled(call)
        for give_up in list(call.children.values()):
            give_up()
        trace = call.trace
        trace.settled = _clock()
        if not self._calls:
            self.quiet.set()
        if isinstance(outcome, PitError):
            if call.only is not None and outcome.kind == "invalid_arguments":
                outcome.hint = f"compare them with `snakepit tools show {call.header.command}`"
            trace.outcome = outcome.kind
        elif isinstance(outcome, Lent):
            self._lent.claim(outcome)
        answers.answer(call, outcome)

    def _interrupt(self, effect: fx.Interrupt) -> None:
        if worker := self.workers.get(effect.worker):
            worker.interrupt(effect.call)

    def _recall(self, effect: fx.Recall) -> None:
        if worker := self.workers.get(effect.worker):
            worker.recall(effect.calls)

    def _stop(self, effect: fx.Stop) -> None:
        worker = self.workers.get(effect.worker)
        if worker is None or self._never_was(worker):
            return
        worker.drain()
        self._warden.send("stop", worker=effect.worker, grace=effect.grace)

    def _kill(self, effect: fx.Kill) -> None:
        worker = self.workers.get(effect.worker)
        if worker is not None and not self._never_was(worker):
            self._warden.send("kill", worker=effect.worker)

    def _never_was(self, worker: Worker) -> bool:
        """A worker that no process was asked for yet ends by itself; reported in a turn of its own."""
        if worker.asked:
            return False
        self._births.forget(worker.id)
        report = {"reason": "is not wanted any more", "log": []}
        self._loop.call_soon(self.exited, worker.id, report)
        return True

    def _drained(self, _: fx.Drained) -> None:
        self._warden.send("retire", pool=self.spec.name)
        self.drained.set()


_PERFORM: dict[type, Callable[[Pool, Any], None]] = {
    fx.Spawn: Pool._spawn,  # noqa: SLF001 — the table belongs to the class
    fx.Dispatch: Pool._dispatch,  # noqa: SLF001
    fx.Settle: Pool._settle,  # noqa: SLF001
    fx.Interrupt: Pool._interrupt,  # noqa: SLF001
    fx.Recall: Pool._recall,  # noqa: SLF001
    fx.Stop: Pool._stop,  # noqa: SLF001
    fx.Kill: Pool._kill,  # noqa: SLF001
    fx.Drained: Pool._drained,  # noqa: SLF001
}
