"""Watches the files by which an instance is found: locks, sockets, endpoint.json, the cookie.

People and cleaners of temporary directories remove them. Missing files are made again, unless another warden has taken
over meanwhile: then this one ends, and touches nothing of the other's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from snakepit_cli.base.paths import PathError
from snakepit_cli.warden.burial import reap
from snakepit_cli.warden.records.paths import Places


class Door:
    """Opened with the instance's locks held. Raises OSError when the files cannot be made."""

    def __init__(self, places: Places, facts: Mapping[str, Any], secret: str, note: Callable[[str], None]) -> None:
        self._places = places
        self._facts = facts
        self._secret = secret
        self._note = note
        self._told = ""
        self.listener = places.listen()
        places.publish(facts)

    def look(self, changed: Callable[[socket.socket | None], None] | None) -> bool:
        """Makes again what is gone; False when another warden has taken the place.

        `changed` tells the server that the sockets are to be used anew, with the new listener when there is one. None
        while no server is ready: it makes its gateway itself, so that need not be there yet.
        """
        try:
            if not self._places.relock():
                return False
            self._mend_state()
            if changed is not None:
                self._mend_sockets(changed)
            self._told = ""
        except (OSError, PathError) as error:
            if str(error) != self._told:  # a file system that has become read-only stays so for a while
                self._told = str(error)
                self._note(f"what has been removed cannot be made again: {error}")
        return True

    def close(self) -> None:
        """Removes the files, so that the next command starts a new warden instead of talking to this one."""
        try:
            self._places.unpublish()
        except OSError as error:
            self._note(f"the sockets cannot be removed: {error}")
        self.listener.close()

    def _mend_state(self) -> None:
        reap.keep_cookie(self._places.state, self._secret)
        if not self._places.is_made(self._places.endpoint):
            self._places.publish(self._facts)

    def _mend_sockets(self, changed: Callable[[socket.socket | None], None]) -> None:
        if not self._places.is_made(self._places.front):
            self._note("the front socket has been removed: it is made again")
            old, self.listener = self.listener, self._places.listen()
            changed(self.listener)
            old.close()
        elif not os.path.lexists(self._places.gateway):
            changed(None)
