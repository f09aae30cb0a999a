"""An adapter of hooks around a small program, as the original's behaviour has it."""

from __future__ import annotations

import sys
import time

PROGRAM = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    command, args = asked["command"], asked["args"]
    def say(**more): print(json.dumps({"id": asked["id"], **more}), flush=True)
    if command == "count":
        for n in range(args["n"]): say(chunk=n)
        say(result=None)
    elif command == "fail": say(error={"type": "OddError", "message": args["why"]})
    elif command == "old": say(success=False, error="as ever")
    elif command == "nap": time.sleep(args["seconds"]); say(result="slept")
    elif command == "leave": sys.exit(3)
    else: say(success=True, result=args)
"""


class Wrapped:
    def executable_path(self):
        return sys.executable

    def script_args(self):
        return ["-c", PROGRAM]

    def supported_commands(self):
        return ["echo", "count", "fail", "old", "nap", "leave", "slow hook", "bad hook"]

    def validate_command(self, command, args):
        return "`echo` takes no `secret`" if "secret" in args else None

    def prepare_args(self, command, args):
        if command == "bad hook":
            raise LookupError("the hook is wrong")
        if command == "slow hook":
            time.sleep(600)
        return {**args, "prepared": True} if command == "echo" else args

    def process_response(self, command, response):
        return {"said": response}

    def command_timeout(self, command, args):
        return 0.3 if command == "nap" else None
