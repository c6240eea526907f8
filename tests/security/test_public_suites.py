"""Published test suites, fetched from GitHub; skipped without network.

JSONTestSuite (https://github.com/nst/JSONTestSuite): texts that a JSON parser must accept (`y_`) or refuse (`n_`).
Wycheproof (https://github.com/C2SP/wycheproof): vectors of AES-CBC with PKCS#5 padding, valid and invalid.
"""

import json
import subprocess
from pathlib import Path

import pytest

from ticket_archive.details import read_details
from ticket_archive.errors import ArchiveError, UnreadableWebhook
from ticket_archive.webhook_encryption import decrypt
from ticket_archive.webhook_event import parse_event

FETCH_SECONDS = 60


def fetched(folder: Path, repository: str, commit: str, path: str) -> Path:
    """Return a folder of a repository at one commit. Skips the test if it cannot be fetched."""
    commands = (
        ["init", "--quiet"],
        ["fetch", "--quiet", "--depth", "1", f"https://github.com/{repository}", commit],
        ["checkout", "--quiet", "FETCH_HEAD", "--", path],
    )
    for command in commands:
        try:
            subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"{repository} could not be fetched: {type(error).__name__}")
    return folder / path


def test_valid_json_objects_are_read_and_everything_else_has_a_typed_error(tmp_path: Path) -> None:
    texts = fetched(tmp_path, "nst/JSONTestSuite", "1ef36fa01286573e846ac449e8683f8833c5b26a", "test_parsing")
    objects = 0
    for path in sorted(texts.glob("*.json")):
        body = path.read_bytes()
        valid, expected = path.name.startswith("y_"), None
        if valid:
            expected = json.loads(body)
        try:
            event = parse_event(body)
        except UnreadableWebhook:
            assert not (valid and isinstance(expected, dict)), path.name
        else:
            assert not path.name.startswith("n_"), path.name
            assert not valid or event == expected, path.name
            objects += 1
        try:
            details = read_details(body)
        except ArchiveError:
            assert not (valid and isinstance(expected, dict)), path.name
        else:
            assert not path.name.startswith("n_"), path.name
            assert details.raw == body
    assert objects > 10


def test_aes_cbc_vectors_are_decrypted_or_refused(tmp_path: Path) -> None:
    commit, file = "dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166", "testvectors_v1/aes_cbc_pkcs5_test.json"
    suite = json.loads(fetched(tmp_path, "C2SP/wycheproof", commit, file).read_text())
    vectors = [each for group in suite["testGroups"] if group["keySize"] == 256 for each in group["tests"]]
    assert len(vectors) == 72
    for vector in vectors:
        ciphertext, key, iv = (bytes.fromhex(vector[name]) for name in ("ct", "key", "iv"))
        if vector["result"] == "valid":
            assert decrypt(ciphertext, key, iv) == bytes.fromhex(vector["msg"]), vector["tcId"]
        else:
            with pytest.raises(ValueError, match=r"padding|block"):
                decrypt(ciphertext, key, iv)
