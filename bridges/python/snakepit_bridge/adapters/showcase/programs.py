"""Programs of a session: made once, run often."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase import markov
from snakepit_bridge.adapters.showcase.texts import TEMPERATURE, generated
from snakepit_bridge.session_context import SessionContext

__all__ = ["ProgramCommands", "parse_signature"]

_FIELD = re.compile(r"([A-Za-z_]\w*)(?:\s*:\s*[\w\[\], .|]+?)?\Z")
_WORDS = 20


class ProgramCommands:
    """create_program, execute_program."""

    @command
    def create_program(
        self,
        signature: str,
        model: str = markov.NAME,
        temperature: float = TEMPERATURE,
        program_id: str | None = None,
        *,
        session: SessionContext,
    ) -> dict[str, Any]:
        """Keeps a program in the call's session, for execute_program.

        Args:
            signature: What goes in and what comes out: `question -> answer`, `context, question -> answer`.
            model: Kept with the program. It is not loaded: all programs are run by a Markov chain.
            temperature: How much chance has to say, from 0.
            program_id: Its name; made up otherwise.
        """
        inputs, outputs = parse_signature(signature)
        generated("", 1, temperature)
        name = program_id or f"prog_{uuid.uuid4().hex[:12]}"
        program = {
            "program_id": name,
            "signature": signature,
            "signature_def": {"inputs": inputs, "outputs": outputs},
            "signature_class": None,
            "field_mapping": {},
            "fallback_used": False,
            "program_type": "predict",
            "model": model,
            "temperature": temperature,
            "created_at": time.time(),
            "execution_count": 0,
            "last_executed": None,
        }
        session.put_program(name, program)
        return {"status": "ok", "program_id": name, "signature": signature, "program_type": "predict", "model": model}

    @command
    def execute_program(
        self,
        program_id: str,
        input: dict[str, Any] | None = None,  # noqa: A002 - the argument's name
        *,
        session: SessionContext,
    ) -> dict[str, Any]:
        """Runs a program of the call's session: each output is what a Markov chain writes after the inputs.

        Args:
            program_id: As create_program has answered.
            input: A value for each input of its signature.
        """
        program, given = session.get_program(program_id), input or {}
        wanted = program["signature_def"]["inputs"]
        missing = [name for name in wanted if name not in given]
        if missing:
            raise ValueError(f"the input of {program_id} lacks {', '.join(missing)}; it takes {', '.join(wanted)}")
        prompt = " ".join(str(given[name]) for name in wanted)
        outputs = program["signature_def"]["outputs"]
        result = {name: " ".join(generated(prompt, _WORDS, program["temperature"])) for name in outputs}
        program.update(execution_count=program["execution_count"] + 1, last_executed=time.time())
        session.put_program(program_id, program)
        return {
            "program_id": program_id,
            "result": result,
            "execution_count": program["execution_count"],
            "model": markov.NAME,
        }


def parse_signature(text: str) -> tuple[list[str], list[str]]:
    """Names of the inputs and of the outputs. Raises ValueError."""
    sides = text.split("->")
    names = [[_FIELD.match(one.strip()) for one in side.split(",")] for side in sides]
    if len(sides) != 2 or not all(all(side) for side in names):
        raise ValueError(f"signature {text!r}: write it as `question -> answer`")
    inputs, outputs = ([one[1] for one in side if one is not None] for side in names)
    if len({*inputs, *outputs}) < len(inputs) + len(outputs):
        raise ValueError(f"signature {text!r}: a name is there twice")
    return inputs, outputs
