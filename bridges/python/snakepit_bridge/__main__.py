"""`python -m snakepit_bridge`: a worker, a template, or one command by hand."""

from __future__ import annotations

import os
import sys

from snakepit_bridge.safepath import forget_safe_path

REQUIRED = ("SNAKEPIT_GATEWAY", "SNAKEPIT_WORKER_ID", "SNAKEPIT_TOKEN_FD")

USAGE = """\
This is the Python side of snakepit: a process that snakepit starts and speaks to over a socket.

To use an adapter in a pool:     snakepit up --adapter {adapter}
To run one command by hand:      python -m snakepit_bridge call --adapter {adapter} COMMAND key=value key:=json
To see what an adapter offers:   python -m snakepit_bridge describe --adapter {adapter}

An adapter is `showcase`, package.module:Class, or path/to/file.py:Class."""


def options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """`--name value` and `--name=value` pairs, and the rest."""
    found: dict[str, str] = {}
    rest: list[str] = []
    position = 0
    while position < len(arguments):
        word = arguments[position]
        position += 1
        if not word.startswith("--") or word == "--":
            rest.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        if not equals and position < len(arguments):
            value = arguments[position]
            position += 1
        found[name] = value
    return found, rest


def explain(adapter: str = "") -> int:
    """Started by hand: says what this is."""
    print(USAGE.format(adapter=adapter or "showcase"), file=sys.stderr)
    return 2


def worker(given: dict[str, str], loaded: type | None = None) -> int:
    """Runs a worker and ends the process. `loaded`: its adapter, when it need not be found."""
    missing = [name for name in REQUIRED if name not in os.environ]
    if missing or "adapter" not in given:
        missed = ", ".join(missing) or "--adapter"
        print(f"snakepit_bridge worker: not started by snakepit ({missed} missing).\n", file=sys.stderr)
        return explain(given.get("adapter", ""))
    with open(int(os.environ.pop("SNAKEPIT_TOKEN_FD")), "rb") as secret:
        token = secret.read().decode("utf-8").strip()
    lifeline = os.environ.pop("SNAKEPIT_LIFELINE_FD", "")
    from snakepit_bridge.runtime.worker import Launch, run

    name = os.environ["SNAKEPIT_WORKER_ID"]
    if lifeline:
        os.set_inheritable(int(lifeline), False)
    launch = Launch(
        instance=given.get("instance", ""),
        pool=given.get("pool", ""),
        worker=name,
        adapter=given["adapter"],
        cwd=given.get("cwd", ""),
        gateway=os.environ["SNAKEPIT_GATEWAY"],
        token=token,
        lifeline=int(lifeline) if lifeline else None,
        loaded=loaded,
        broken=given.get("broken", ""),
    )
    run(launch)
    return 70  # not reached: `run` ends the process


def main() -> int:
    forget_safe_path()
    given, rest = options(sys.argv[2:])
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb == "worker":
        return worker(given)
    if verb == "template":
        from snakepit_bridge.template import main as template

        return template(given.get("instance", ""))
    if verb in ("call", "describe"):
        from snakepit_bridge import debug_cli

        return debug_cli.call(given, rest) if verb == "call" else debug_cli.describe(given)
    return explain(given.get("adapter", ""))


if __name__ == "__main__":
    sys.exit(main())
