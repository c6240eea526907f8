"""A minimal client of the Debug Adapter Protocol: attach, set one breakpoint, wait until it is hit.

Source: https://microsoft.github.io/debug-adapter-protocol/specification.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

ATTACH_SECONDS = 60.0
READ_SECONDS = 60.0

Message = dict[str, Any]


class Debugger:
    """Connects to debugpy on 127.0.0.1:`port` as soon as it listens."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sequence = 0
        self._received: list[Message] = []

    def __enter__(self) -> Self:
        deadline = time.monotonic() + ATTACH_SECONDS
        while True:
            try:
                self._connect()
                return self
            except (OSError, EOFError):  # Docker listens before debugpy does
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=READ_SECONDS)
        self._file = self._socket.makefile("rb")
        try:
            self._request("initialize", {"adapterID": "debugpy", "clientID": "tests", "pathFormat": "path"})
            self._wait(lambda message: message.get("command") == "initialize")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def attach_and_stop_at(
        self, configuration: Mapping[str, Any], workspace: Path, source: str, line: int
    ) -> tuple[str, int]:
        """Attach with a configuration of launch.json; return the file and line where the program stopped.

        It then runs to its end without the debugger.
        """
        text = json.dumps(configuration).replace("${workspaceFolder}", str(workspace))
        breakpoints = {"source": {"path": str(workspace / source)}, "breakpoints": [{"line": line}]}
        self._request("attach", json.loads(text))
        self._wait(lambda message: message.get("event") == "initialized")
        self._request("setBreakpoints", breakpoints)
        self._request("configurationDone", {})
        stopped = self._wait(lambda message: message.get("event") == "stopped")
        self._request("stackTrace", {"threadId": stopped["body"]["threadId"], "levels": 1})
        trace = self._wait(lambda message: message.get("command") == "stackTrace")
        [frame] = trace["body"]["stackFrames"]
        self._request("disconnect", {"terminateDebuggee": False})
        self._wait(lambda message: message.get("command") == "disconnect")
        return frame["source"]["path"], frame["line"]

    def _request(self, command: str, arguments: Mapping[str, Any]) -> None:
        self._sequence += 1
        message = {"seq": self._sequence, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def _wait(self, wanted: Callable[[Message], bool]) -> Message:
        while True:
            for message in self._received:
                if wanted(message):
                    self._received.remove(message)
                    assert message.get("success", True), message
                    return message
            self._received.append(self._read())

    def _read(self) -> Message:
        length = 0
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name == b"Content-Length" else length
        if not length:
            raise EOFError("the connection ended")
        message: Message = json.loads(self._file.read(length))
        return message
