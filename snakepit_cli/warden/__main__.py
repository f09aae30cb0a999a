"""python -m snakepit_cli.warden run|reap --instance NAME …"""

from __future__ import annotations

import sys

from snakepit_cli.warden import keeper


def main() -> int:
    if sys.argv[1:2] == ["run"]:
        keeper.fork()  # before anything else is imported: what is loaded now stays in memory twice
    from snakepit_cli.warden import commands

    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
