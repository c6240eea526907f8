"""A client of the Debug Adapter Protocol: attach to debugpy, set one breakpoint, wait until it is hit.

Source: https://microsoft.github.io/debug-adapter-protocol/specification.
"""

import json
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

from debugpy.common.messaging import JsonIOStream

from tests.support.waiting import eventually

SECONDS = 60.0
"""The time for debugpy to start, and for each message."""


class Connection:
    """A connection to debugpy on 127.0.0.1:`port`. Raises OSError or EOFError before debugpy listens."""

    def __init__(self, port: int) -> None:
        peer = socket.create_connection(("127.0.0.1", port))
        self._stream, self._numbers = JsonIOStream.from_socket(peer), count(1)
        peer.settimeout(SECONDS)
        self.close = self._stream.close
        try:
            self.request("initialize", adapterID="debugpy", clientID="tests", pathFormat="path")
            self.wait(command="initialize")
        except BaseException:
            self.close()
            raise

    def request(self, command: str, **arguments: Any) -> None:
        message = {"seq": next(self._numbers), "type": "request", "command": command, "arguments": arguments}
        self._stream.write_json(message)

    def wait(self, **wanted: str) -> dict[str, Any]:
        """Return the next message with these values."""
        while True:
            message: dict[str, Any] = self._stream.read_json()
            if wanted.items() <= message.items():
                assert message.get("success", True), message
                return message


def stop_at(port: int, configuration: Mapping[str, Any], workspace: Path, source: str, line: int) -> tuple[str, int]:
    """Attach with a configuration of launch.json, and detach where the program stops; return its file and line."""

    def connect() -> Connection | None:
        with suppress(OSError, EOFError):  # Docker listens before debugpy does
            return Connection(port)
        return None

    with closing(eventually(connect, "debugpy", SECONDS)) as debugpy:
        debugpy.request("attach", **json.loads(json.dumps(configuration).replace("${workspaceFolder}", str(workspace))))
        debugpy.wait(event="initialized")
        debugpy.request("setBreakpoints", source={"path": str(workspace / source)}, breakpoints=[{"line": line}])
        debugpy.request("configurationDone")
        stopped = debugpy.wait(event="stopped")
        debugpy.request("stackTrace", threadId=stopped["body"]["threadId"], levels=1)
        [frame] = debugpy.wait(command="stackTrace")["body"]["stackFrames"]
        debugpy.request("disconnect", terminateDebuggee=False)
        debugpy.wait(command="disconnect")
    return frame["source"]["path"], frame["line"]
