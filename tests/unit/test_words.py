"""The project uses the words of AWS, HTTP and Python: names and phrases of the first edition must not come back."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NAMES = """
webhook_door queue_door schedule_door ALREADY_DONE put_off keep_incomplete hurried under_way TRY_SECONDS _dice Tally hand_over
TryLater NotUnderstood VendorMisbehaved VendorDeniedAccess OutOfTime Superseded usual_tls keep_quiet
WebhooksKept WebhooksRefused WebhooksNotKept MessagesDone MessagesPutOff TicketsRepaired TicketsGivenUp BodiesNotUnderstood
SettingsAtFault TimeToArchive WebhooksTurnedAway WebhooksNotKept OldestMessageAlarm ApiFaults SayThatObjectsEnd WorkOnTheQueue
HearsOfRules LogsApiRequests TellsOfAlarms ChecksWebhookCredentials QueuesTakeTlsOnly TicketsErasedAskedFor
sam-alone sam-every --skip-bad broken_lines wrong_answers
""".split()
PHRASES = [
    "message put off", "message done", "webhook kept", "webhook not kept", "webhook refused", "the webhook door",
    "the queue door", "the schedule door", "whoever", "of before", "anew", "reckon", "enciphered", "decipher", "unrecognised",
    "is asked for by", "tells of", "in all its", "what comes to",
]  # fmt: skip
CHECKED = (
    "functions",
    "layers",
    "local",
    "ops",
    "bench",
    "examples",
    "tools",
    "docs",
    "README.md",
    "template.yaml",
    "Makefile",
)


def _files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *CHECKED], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if Path(name).suffix in (".py", ".md", ".yaml", ".js", "")]


@pytest.mark.parametrize("word", [*NAMES, *PHRASES])
def test_a_replaced_word_is_used_nowhere(word: str) -> None:
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE if word in PHRASES else 0)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
