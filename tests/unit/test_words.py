"""The project uses the words of AWS, HTTP and Python: replaced names and phrases do not come back."""

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".js", ".mjs", ".css", ".j2", ".sh", ""}
NOT_CHECKED = ("tests/unit/test_words.py", "local/certificate.py")  # x509.KeyUsage has such names

NAMES = [
    "webhook_door", "queue_door", "schedule_door", "ALREADY_DONE", "put_off", "keep_incomplete", "hurried",
    "under_way", "TRY_SECONDS", "_dice", "Tally", "hand_over", "TryLater", "NotUnderstood", "VendorMisbehaved",
    "VendorDeniedAccess", "OutOfTime", "usual_tls", "keep_quiet", "WebhooksKept", "WebhooksRefused",
    "WebhooksNotKept", "MessagesDone", "MessagesPutOff", "TicketsRepaired", "TicketsGivenUp", "BodiesNotUnderstood",
    "SettingsAtFault", "TimeToArchive", "WebhooksTurnedAway", "OldestMessageAlarm", "ApiFaults", "SayThatObjectsEnd",
    "WorkOnTheQueue", "HearsOfRules", "LogsApiRequests", "TellsOfAlarms", "ChecksWebhookCredentials",
    "QueuesTakeTlsOnly", "TicketsErasedAskedFor", "not_understood", "sam-alone", "sam-every", "--skip-bad",
    "broken_lines", "wrong_answers", "Told", "Renewing", "VENDOR_CALLS_MISBEHAVED", "REQUESTS_REFUSED",
    "TICKETS_ERASED_ASKED_FOR",
]  # fmt: skip

PHRASES = [
    "message put off", "message done", "webhook kept", "webhook not kept", "webhook refused", "webhook door",
    "queue door", "schedule door", "that door", "the door", "doors", "whoever", "of before", "of old", "anew",
    "reckon", "reckons", "reckoning", "enciphered", "enciphers", "to decipher", "cannot decipher", "deciphers",
    "deciphered", "deciphering", "put off", "puts off", "unrecognised", "is asked for by", "tells of", "hears of",
    "told", "dice", "patience", "tell of", "in all its", "what comes to", "under way", "makes up for",
    "bent", "mended", "reception",
]  # fmt: skip


@cache
def _files() -> list[tuple[str, str, str]]:
    """Return name, text and simplified text, for a quick search, of each file."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.splitlines() if Path(name).suffix in SUFFIXES and not name.startswith(NOT_CHECKED)]
    texts = [(name, (ROOT / name).read_text(encoding="utf-8")) for name in names]
    return [(name, text, _plain(text)) for name, text in texts]


def _plain(text: str) -> str:
    return text.lower().replace("_", " ")


def _uses(word: str, *, ignore_case: bool) -> list[str]:
    """Return the places of a word, also as a part of an identifier."""
    text = re.escape(word).replace(r"\ ", "[ _]")
    pattern = re.compile(rf"(?<![A-Za-z0-9-]){text}(?![A-Za-z0-9-])", re.IGNORECASE if ignore_case else 0)
    return [
        f"{name}:{number}"
        for name, text, plain in _files()
        if _plain(word) in plain
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_replaced_names_and_phrases_are_not_used() -> None:
    assert {name: uses for name in NAMES if (uses := _uses(name, ignore_case=False))} == {}
    assert {phrase: uses for phrase in PHRASES if (uses := _uses(phrase, ignore_case=True))} == {}
