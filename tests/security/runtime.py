"""Run a function's handler as Lambda does, with every logger at DEBUG.

`python -m tests.security.runtime`: each line of stdin is {"function": "ingest", "event": {…}}, and each line written to
the file descriptor 3 is what the handler gave, or {"raised": "its type"}.
"""

import importlib
import json
import logging
import os
import sys
from types import SimpleNamespace


def main() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)  # as Lambda does, only louder
    answers = os.fdopen(3, "w")
    context = SimpleNamespace(
        function_name="function",
        function_version="$LATEST",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:function",
        aws_request_id="9e0c6a5e-1111-2222-3333-444455556666",
        get_remaining_time_in_millis=lambda: 60_000,
    )
    for line in sys.stdin:
        asked = json.loads(line)
        handler = importlib.import_module(f"{asked['function']}.app").lambda_handler
        for name in list(logging.root.manager.loggerDict):
            logging.getLogger(name).setLevel(logging.DEBUG)
        try:
            answer = handler(asked["event"], context)
        except Exception as error:
            logging.getLogger().exception("raised")
            answer = {"raised": type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
