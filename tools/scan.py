"""The gates: scanners that need no network. Each gives its findings; one finding, and the gate is shut.

`python -m tools.scan` runs them over this repository. A finding that is not a fault is acknowledged with its reason:
checkov's and cfn-lint's in the template's Metadata, bandit's beside the line (`# nosec`), and a text that only looks
like a secret in .secrets.baseline (`make secrets` writes it again). An acknowledgement that nothing needs is a finding.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
SCANNERS = ROOT / ".venv-scan" / "bin"
BASELINE = ROOT / ".secrets.baseline"
PRODUCT = ("layers", "functions", "ops")
REGION = "eu-central-1"

_SAMPLES = ("tests/", "events/", "bench/", "examples/")
_GUESSING = ("KeywordDetector", "HexHighEntropyString", "Base64HighEntropyString", "BasicAuthDetector")
"""Detectors that go by the look of a name or of letters. Samples are full of what looks so; keys of a known form
(AWS, private keys, tokens of services) are looked for everywhere."""


@cache
def _expanded_json(templates: str) -> str:
    """Run `tools/expand.py` in the SAM CLI's environment."""
    command = [ROOT / ".venv-sam" / "bin" / "python", ROOT / "tools" / "expand.py"]
    done = subprocess.run(command, input=templates, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def expand(*templates: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the templates as CloudFormation deploys them, SAM's transform applied."""
    expanded: list[dict[str, Any]] = json.loads(_expanded_json(json.dumps(templates, sort_keys=True)))
    return expanded


def expansion(template: Path) -> list[str]:
    """Resources that SAM's transform leaves: no scanner sees what they become."""
    [expanded] = expand(yaml_parse(template.read_text(encoding="utf-8")))
    left = expanded["Resources"]
    return [
        f"{name} is still {each['Type']}" for name, each in left.items() if each["Type"].startswith("AWS::Serverless")
    ]


def cfn_lint(template: Path) -> list[str]:
    """cfn-lint on the template and on what it expands to, of which the template alone shows little."""
    with tempfile.TemporaryDirectory() as folder:
        expanded = _expanded(template, Path(folder))
        command: list[str | Path] = [
            Path(sys.executable).parent / "cfn-lint",
            "--format",
            "json",
            "--regions",
            REGION,
            "--",
        ]
        done = _run([*command, template, expanded])
    found = _parsed(done)
    return [f"{each['Rule']['Id']} {each['Message']}" for each in found]


def checkov(template: Path) -> list[str]:
    """Failed checks of checkov's on the expanded template, but for those that its Metadata acknowledges."""
    with tempfile.TemporaryDirectory() as folder:
        expanded = _expanded(template, Path(folder))
        command: list[str | Path] = [
            SCANNERS / "checkov",
            "--file",
            expanded,
            "--framework",
            "cloudformation",
            "--skip-download",
        ]
        done = _run([*command, "--compact", "--quiet", "--output", "json"])
    told = _parsed(done)
    report = told[0] if isinstance(told, list) else told
    if "results" not in report or report["summary"]["parsing_errors"]:
        return ["checkov could not read the expanded template"]
    failed = {(each["check_id"], each["resource"].rpartition(".")[2]) for each in report["results"]["failed_checks"]}
    names = {each["check_id"]: each["check_name"] for each in report["results"]["failed_checks"]}
    metadata = yaml_parse(template.read_text(encoding="utf-8")).get("Metadata", {})
    known: dict[str, dict[str, str]] = metadata.get("Acknowledged", {}).get("checkov", {})
    acknowledged = {(check, name) for check, resources in known.items() for name in resources}
    return [
        *(f"{check} {resource}: {names[check]}" for check, resource in sorted(failed - acknowledged)),
        *(f"{check} {resource}: acknowledged, and not found" for check, resource in sorted(acknowledged - failed)),
    ]


def bandit(folders: Sequence[Path]) -> list[str]:
    """Findings of bandit's of medium severity and above."""
    done = _run([SCANNERS / "bandit", "--quiet", "--recursive", "-ll", "--format", "json", *folders])
    report = _parsed(done)
    found = [f"{each['test_id']} {each['filename']}:{each['line_number']}" for each in report["results"]]
    return found + [f"bandit could not read {each['filename']}" for each in report["errors"]]


def detect_secrets(files: Sequence[Path], *, root: Path = ROOT, baseline: Path | None = BASELINE) -> list[str]:
    """Texts that look like secrets, but for those of the baseline. Names in it are relative to `root`."""
    known = json.loads(baseline.read_text(encoding="utf-8"))["results"] if baseline else {}
    acknowledged = {(name, each["type"], each["hashed_secret"]) for name, found in known.items() for each in found}
    return [
        f"{name}:{each['line_number']} {each['type']}"
        for name, every in secrets(files, root).items()
        for each in every
        if (name, each["type"], each["hashed_secret"]) not in acknowledged
    ]


def secrets(files: Sequence[Path], root: Path = ROOT) -> dict[str, Any]:
    """What detect-secrets finds in the files, which lie in `root`."""
    names = [str(file.relative_to(root)) for file in files]
    samples = [name for name in names if name.startswith(_SAMPLES)]
    others = [name for name in names if not name.startswith((*_SAMPLES, "requirements/"))]
    found: dict[str, Any] = {}
    for chosen, without in ((others, ()), (samples, _GUESSING)):
        if chosen:
            quiet = [option for name in without for option in ("--disable-plugin", name)]
            command: list[str | Path] = [SCANNERS / "detect-secrets", "scan", "--no-verify", "--all-files"]
            found |= _parsed(_run([*command, *quiet, *chosen], root))["results"]
    return found


def tracked() -> list[Path]:
    """The repository's files, of those that are texts of ours; hashes of requirements are no secrets."""
    listed = _run(["git", "ls-files", "-z"]).stdout.decode().split("\0")
    skipped = (".txt", ".png", ".jpg", ".svg", ".secrets.baseline")
    return [ROOT / name for name in listed if name and not name.endswith(skipped) and (ROOT / name).is_file()]


GATES: dict[str, Callable[[], list[str]]] = {
    "expansion": lambda: expansion(ROOT / "template.yaml"),
    "cfn-lint": lambda: cfn_lint(ROOT / "template.yaml"),
    "checkov": lambda: checkov(ROOT / "template.yaml"),
    "bandit": lambda: bandit([ROOT / name for name in PRODUCT]),
    "detect-secrets": lambda: detect_secrets(tracked()),
}


def main() -> None:
    """Runs every gate. Instead, `--write-baseline` keeps today's look-alikes of secrets as known; `--expand` prints."""
    if "--expand" in sys.argv:
        print(json.dumps(expand(yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8")))[0], indent=1))
        return
    if "--write-baseline" in sys.argv:
        found = {
            name: [{key: each[key] for key in ("type", "hashed_secret", "line_number")} for each in every]
            for name, every in sorted(secrets(tracked()).items())
        }
        BASELINE.write_text(json.dumps({"results": found}, indent=1) + "\n", encoding="utf-8")
        return
    shut = False
    for name, gate in GATES.items():
        findings = gate()
        shut = shut or bool(findings)
        print(f"{name}: {'open' if not findings else ''}", *findings, sep="\n  " if findings else "")
    sys.exit(shut)


def _expanded(template: Path, folder: Path) -> Path:
    file = folder / "expanded.json"
    file.write_text(json.dumps(expand(yaml_parse(template.read_text(encoding="utf-8")))[0], indent=1), encoding="utf-8")
    return file


def _run(command: Sequence[str | Path], folder: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, check=False)


def _parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    """A scanner's JSON. What it did not print, it did not find out: that is no open gate."""
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{done.args[0]} gave no report: {done.stderr.decode()[-2000:]}") from None


if __name__ == "__main__":
    main()
