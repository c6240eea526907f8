"""Read the results of queue messages from the functions' log."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ingest.archiving.models import SETTLE
from tests.support.stack import LocalStack


class LogReader:
    """Reads what is logged from now on. `read` updates the counters."""

    def __init__(self, stack: LocalStack) -> None:
        self._path: Path = stack.state / "logs" / "emulator.log"
        self._offset = self.begin = self._path.stat().st_size
        self._rest = b""
        self.done: Counter[str] = Counter()
        """The number of processed messages, by ticket."""
        self.results: Counter[str] = Counter()
        self._last: dict[str, tuple[str, bool]] = {}
        """The time of each ticket's last result, and whether it was pending."""
        self.retried: Counter[str] = Counter()
        """The number of scheduled retries, by error."""

    def read(self) -> "LogReader":
        """Read to the end of the log; return this reader."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        self._offset += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            if line.startswith(b'{"level"'):
                self._take(json.loads(line))
        return self

    def _take(self, record: dict[str, Any]) -> None:
        if record["message"] == "message processed":
            ticket = record.get("ticket", "")
            self.results[record["result"]] += 1
            if record.get("kind") != SETTLE:
                self.done[ticket] += 1
            if record["result"] in ("pending", "archived", "unchanged", "already_archived"):
                said = (record["timestamp"], record["result"] == "pending")
                self._last[ticket] = max(said, self._last.get(ticket, said))
        elif record["message"] == "retry scheduled":
            self.retried[f"{record['error']}: {record.get('detail') or record.get('aws_code', '')}"] += 1

    @property
    def pending(self) -> set[str]:
        """Tickets whose latest result is pending, by the lines' times: workers' batches end in any order."""
        return {ticket for ticket, (_, pending) in self._last.items() if pending}

    @property
    def text(self) -> str:
        """What has been logged since the start."""
        with self._path.open("rb") as file:
            file.seek(self.begin)
            return file.read().decode("utf-8", "replace")
