"""python -m snakepit_cli.server --instance NAME: started by the warden. The arguments are for the eyes of `ps`."""

from __future__ import annotations

import asyncio
import os
import sys


def main() -> None:
    if "SNAKEPIT_CONTROL_FD" not in os.environ:
        sys.exit("snakepit: the server is started by the warden; run `snakepit server start` or `snakepit server run`")
    os.umask(0o077)
    from snakepit_cli.server.app import serve

    if sys.platform == "win32" or os.environ.get("PYTHONASYNCIODEBUG"):
        asyncio.run(serve())  # uvloop does not tell which callbacks of protocols are slow
    else:
        import uvloop

        uvloop.run(serve())


main()
