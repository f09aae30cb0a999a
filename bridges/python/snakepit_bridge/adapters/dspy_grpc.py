"""DSPy programs: made from a signature by one call, run by later ones, on any worker of the pool.

    snakepit up ai --adapter snakepit_bridge.adapters.dspy_grpc:DSPyGRPCHandler --env OPENAI_API_KEY=…
    snakepit exec configure_lm model=openai/gpt-4o-mini --pool ai --session s1
    snakepit exec create_program signature='question -> answer' program_id=qa --pool ai --session s1
    snakepit exec execute_program program_id=qa input:='{"question": "…"}' --pool ai --session s1

Needs the package `dspy` in the interpreter of the workers: `pip install 'snakepit-bridge[dspy]'`.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import Any, Callable

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.modules.adapter import ModulesAdapter
from snakepit_bridge.adapters.modules.targets import Targets
from snakepit_bridge.context import CallContext
from snakepit_bridge.errors import ProgramNotFoundError
from snakepit_bridge.session_context import SessionContext

__all__ = ["DSPyGRPCHandler"]

_MODEL = "dspy.lm"
"""The program of a session that holds its model's configuration."""
_SECRETS = ("key", "token", "secret", "password")
_KINDS = {
    "predict": "Predict", "chain_of_thought": "ChainOfThought", "react": "ReAct",
    "program_of_thought": "ProgramOfThought",
}  # fmt: skip
Json = dict[str, Any]


class DSPyGRPCHandler(ModulesAdapter):
    """Programs by signature, and what `--adapter python` has, for the package dspy.

    Programs and the model's configuration are kept in the call's session; those of calls without one, in the worker.
    """

    def __init__(self) -> None:
        super().__init__()
        modules = [one for one in os.environ.get("SNAKEPIT_MODULES", "").split(",") if one]
        pool = os.environ.get("SNAKEPIT_WORKER_ID", "").rpartition("-")[0] or "default"
        self._targets = Targets(["dspy", *modules], pool)
        self._own: dict[str, Json] = {}
        """Programs of calls without a session."""
        self._models: dict[str, tuple[Json, Any]] = {}
        """Session → configuration, and the model that was made of it."""

    def initialize(self) -> None:
        try:
            import dspy  # noqa: F401
        except ModuleNotFoundError as error:
            if error.name != "dspy":
                raise
            message = "the package dspy is not installed: pip install 'snakepit-bridge[dspy]'"
            raise ModuleNotFoundError(message, name="dspy") from None

    @command
    def configure_lm(self, model: str, options: Json | None = None, *, ctx: CallContext) -> Json:
        """Says which language model the session's programs use.

        Args:
            model: As `dspy.LM` takes it, such as `openai/gpt-4o-mini`; or `dummy`, which answers what `options` say.
            options: Further arguments of `dspy.LM`, or {"answers": […]} for `dummy`. No keys: set them in the pool's
                environment (`snakepit up --env OPENAI_API_KEY=…`), because what is said here is kept on disk.
        """
        options = options or {}
        if secret := next((name for name in options if any(one in name.lower() for one in _SECRETS)), None):
            raise ValueError(f"`{secret}` looks like a secret: put it into the environment of the pool (`--env`)")
        configuration = {"model": model, "options": options}
        self._model_of(configuration)
        self._put(ctx, _MODEL, configuration)
        return {"status": "ok", "model": model}

    @command
    def create_program(  # noqa: PLR0917 - what DSPy's modules take
        self,
        signature: str,
        program_type: str = "predict",
        program_id: str | None = None,
        instructions: str | None = None,
        tools: list[str] | None = None,
        options: Json | None = None,
        *,
        ctx: CallContext,
    ) -> Json:
        """Makes a program for execute_program.

        Args:
            signature: `question -> answer`, `context, question: str -> answer: float`.
            program_type: predict, chain_of_thought, react or program_of_thought.
            program_id: Its name; made up otherwise.
            instructions: What the model is told besides.
            tools: For react: names of tools of the session.
            options: Further arguments of the module, such as {"max_iters": 5}; {"interpreter": "local"} lets a
                program_of_thought run the model's code in the worker itself, not in Deno's sandbox.
        """
        kind = _kind(program_type)
        name = program_id or f"prog_{uuid.uuid4().hex[:12]}"
        program = {
            "program_id": name, "signature": signature, "program_type": kind, "instructions": instructions,
            "tools": tools or [], "options": options or {}, "signature_class": None, "field_mapping": {},
            "fallback_used": False, "created_at": time.time(), "execution_count": 0, "last_executed": None,
        }  # fmt: skip
        fields = _signature(program)
        program["signature_def"] = {"inputs": list(fields.input_fields), "outputs": list(fields.output_fields)}
        self._built(program, ctx.session)
        self._put(ctx, name, program)
        return {"status": "ok", "program_id": name, "signature": fields.signature, "program_type": kind}

    @command
    def execute_program(self, program_id: str, input: Json | None = None, *, ctx: CallContext) -> Json:  # noqa: A002
        """Runs a program.

        Args:
            program_id: As create_program has answered.
            input: A value for each input of its signature.
        """
        import dspy

        program, given = self._get(ctx, program_id), input or {}
        wanted = program["signature_def"]["inputs"]
        if missing := [name for name in wanted if name not in given]:
            raise ValueError(f"the input of {program_id} lacks {', '.join(missing)}; it takes {', '.join(wanted)}")
        module = self._built(program, ctx.session)
        with dspy.context(lm=self._model(ctx)):
            prediction = module(**{name: given[name] for name in wanted})
        program.update(execution_count=program["execution_count"] + 1, last_executed=time.time())
        self._put(ctx, program_id, program)
        return {
            "program_id": program_id,
            "result": dict(prediction.items()),
            "execution_count": program["execution_count"],
        }

    @command
    def get_program_info(self, program_id: str, ctx: CallContext) -> Json:
        """What is known of a program.

        Args:
            program_id: Its name.
        """
        return self._get(ctx, program_id)

    @command
    def list_programs(self, ctx: CallContext) -> list[str]:
        """Names of the session's programs."""
        names = [one["id"] for one in ctx.session.list_programs()] if ctx.session else list(self._own)
        return [name for name in names if name != _MODEL]

    @command
    def delete_program(self, program_id: str, ctx: CallContext) -> Json:
        """Forgets a program.

        Args:
            program_id: Its name.
        """
        self._get(ctx, program_id)
        if ctx.session:
            ctx.session.delete_program(program_id)
        else:
            del self._own[program_id]
        return {"program_id": program_id, "deleted": True}

    def shown(self, result: Any) -> Any:
        import dspy

        return dict(result.items()) if isinstance(result, dspy.Example) else result

    def session_ended(self, session_id: str) -> None:
        super().session_ended(session_id)
        self._models.pop(session_id, None)

    # -- programs and models --

    def _put(self, ctx: CallContext, name: str, data: Json) -> None:
        if ctx.session:
            ctx.session.put_program(name, data)
        else:
            self._own[name] = data

    def _get(self, ctx: CallContext, name: str) -> Json:
        """Raises ProgramNotFoundError."""
        if ctx.session:
            found: Json = ctx.session.get_program(name)
            return found
        if name not in self._own:
            raise ProgramNotFoundError("program_not_found", f"{name}: this worker has no such program")
        return self._own[name]

    def _model(self, ctx: CallContext) -> Any:
        try:
            configuration = self._get(ctx, _MODEL)
        except ProgramNotFoundError:
            raise ValueError("no model is configured: call `configure_lm` in the same session first") from None
        known = self._models.get(ctx.session_id)
        if known is None or known[0] != configuration:
            known = self._models[ctx.session_id] = configuration, self._model_of(configuration)
        return known[1]

    def _model_of(self, configuration: Json) -> Any:
        import dspy

        options = configuration["options"]
        if configuration["model"] == "dummy":
            from dspy.utils import DummyLM

            return DummyLM(options.get("answers", []))
        return dspy.LM(configuration["model"], **options)

    def _built(self, program: Json, session: SessionContext) -> Any:
        """The module of a program."""
        import dspy

        kind, options = program["program_type"], dict(program["options"])
        if kind == "react":
            options["tools"] = [_tool(session, name) for name in program["tools"]]
        if kind == "program_of_thought" and options.pop("interpreter", "deno") == "local":
            options["interpreter_factory"] = dspy.LocalInterpreter
        return getattr(dspy, _KINDS[kind])(_signature(program), **options)


def _kind(name: str) -> str:
    """The type of a program, written as DSPy's class or in snake case."""
    for kind, title in _KINDS.items():
        if name in (kind, title):
            return kind
    raise ValueError(f"program_type {name!r}: choose one of {', '.join(_KINDS)}")


def _signature(program: Json) -> Any:
    import dspy

    return dspy.Signature(program["signature"], program["instructions"])


def _tool(session: SessionContext, name: str) -> Any:
    """A tool of the session, as DSPy wants it."""
    import dspy

    tool = session.tools[name]
    types = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
    arguments = {one["name"]: {"type": types.get(one["type"], "string")} for one in tool.parameters}
    call: Callable[..., Any] = tool.__call__
    return dspy.Tool(call, name=name, desc=tool.description, args=arguments)
