"""The scans: linters and scanners that need no network. A scan fails with the first finding.

`python -m tools.scan` runs them over this repository. A finding that is no fault is accepted in the scanner's own
format, with its reason: checkov's in Metadata and in .checkov.yaml, cfn-lint's in Metadata, bandit's beside
the line (`# nosec`), and what only looks like a secret in .secrets.baseline (`make secrets` writes it).
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
REGIONS = ("eu-central-1", "us-east-1", "ap-southeast-2", "sa-east-1", "us-gov-west-1", "cn-north-1")

_SAMPLES = ("tests/", "events/", "bench/", "examples/")
_HEURISTIC = ("KeywordDetector", "HexHighEntropyString", "Base64HighEntropyString", "BasicAuthDetector")
"""detect-secrets' detectors that guess from a name or from entropy. Samples are full of such text; keys of a known form
(AWS's, private keys, services' tokens) are searched for everywhere."""


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
    """Return the resources that SAM's transform leaves unexpanded, which no scanner can check."""
    return [
        f"{name} is still {each['Type']}"
        for name, each in _expand_file(template)["Resources"].items()
        if each["Type"].startswith("AWS::Serverless")
    ]


def cfn_lint(template: Path) -> list[str]:
    """Run cfn-lint for every region of `REGIONS` on the template and on what it expands to."""
    with tempfile.TemporaryDirectory() as folder:
        expanded = _write(_expand_file(template), Path(folder))
        command: list[str | Path] = [
            Path(sys.executable).parent / "cfn-lint",
            "--format",
            "json",
            "--regions",
            *REGIONS,
        ]
        found = _parsed(_run([*command, "--", template, expanded]))
    return [f"{each['Rule']['Id']} {each['Message']}" for each in found]


def checkov(template: Path) -> list[str]:
    """Run checkov on the expanded template."""
    with tempfile.TemporaryDirectory() as folder:
        expanded = _write(_expand_file(template), Path(folder))
        command: list[str | Path] = [SCANNERS / "checkov", "--file", expanded, "--config-file", ROOT / ".checkov.yaml"]
        told = _parsed(_run([*command, "--compact", "--quiet", "--output", "json"]))
    report = told[0] if isinstance(told, list) else told
    if "results" not in report:
        return (
            []
            if report.get("passed") and not report.get("failed")
            else ["checkov could not read the expanded template"]
        )
    found = [
        f"{each['check_id']} {each['resource'].rpartition('.')[2]}: {each['check_name']}"
        for each in report["results"]["failed_checks"]
    ]
    return found + ["checkov could not read the expanded template"] * report["summary"]["parsing_errors"]


def policies(template: Path, examples: Sequence[Path] = ()) -> list[str]:
    """Return actions and condition keys of the IAM statements that AWS's service definitions do not know."""
    documents: list[tuple[str, Any]] = [(file.name, json.loads(file.read_text(encoding="utf-8"))) for file in examples]
    for name, resource in _expand_file(template)["Resources"].items():
        properties = resource.get("Properties", {})
        for key in ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument"):
            documents += [(name, properties[key])] if key in properties else []
        documents += [(name, each["PolicyDocument"]) for each in properties.get("Policies", [])]
    statements = [
        {"where": f"{name} {statement.get('Sid', '')}".strip(), "statement": statement}
        for name, document in documents
        for each in document["Statement"]
        for statement in (each["Fn::If"][1:] if "Fn::If" in each else [each])
        if "Action" in statement
    ]
    command: list[str | Path] = [SCANNERS / "python", "-W", "ignore", ROOT / "tools" / "policies.py"]
    found: list[str] = _parsed(_run(command, stdin=json.dumps(statements)))
    return found


def bandit(folders: Sequence[Path]) -> list[str]:
    """Return bandit's findings of medium severity and above."""
    done = _run([SCANNERS / "bandit", "--quiet", "--recursive", "-ll", "--format", "json", *folders])
    report = _parsed(done)
    found = [f"{each['test_id']} {each['filename']}:{each['line_number']}" for each in report["results"]]
    return found + [f"bandit could not read {each['filename']}" for each in report["errors"]]


def detect_secrets(files: Sequence[Path], *, root: Path = ROOT, baseline: Path | None = BASELINE) -> list[str]:
    """Return texts that look like secrets and are not in the baseline, whose names are relative to `root`."""
    known = json.loads(baseline.read_text(encoding="utf-8"))["results"] if baseline else {}
    acknowledged = {(name, each["type"], each["hashed_secret"]) for name, found in known.items() for each in found}
    return [
        f"{name}:{each['line_number']} {each['type']}"
        for name, every in secrets(files, root).items()
        for each in every
        if (name, each["type"], each["hashed_secret"]) not in acknowledged
    ]


def secrets(files: Sequence[Path], root: Path = ROOT) -> dict[str, Any]:
    """Return what detect-secrets finds in files below `root`."""
    names = [str(file.relative_to(root)) for file in files]
    samples = [name for name in names if name.startswith(_SAMPLES)]
    others = [name for name in names if not name.startswith((*_SAMPLES, "requirements/"))]
    found: dict[str, Any] = {}
    for chosen, without in ((others, ()), (samples, _HEURISTIC)):
        if chosen:
            quiet = [option for name in without for option in ("--disable-plugin", name)]
            command: list[str | Path] = [SCANNERS / "detect-secrets", "scan", "--no-verify", "--all-files"]
            found |= _parsed(_run([*command, *quiet, *chosen], root))["results"]
    return found


def tracked() -> list[Path]:
    """Return the repository's text files; the hashes in requirements are no secrets."""
    listed = _run(["git", "ls-files", "-z"]).stdout.decode().split("\0")
    skipped = (".txt", ".png", ".jpg", ".svg", ".secrets.baseline")
    return [ROOT / name for name in listed if name and not name.endswith(skipped) and (ROOT / name).is_file()]


SCANS: dict[str, Callable[[], list[str]]] = {
    "expansion": lambda: expansion(ROOT / "template.yaml"),
    "cfn-lint": lambda: cfn_lint(ROOT / "template.yaml"),
    "checkov": lambda: checkov(ROOT / "template.yaml"),
    "policies": lambda: policies(ROOT / "template.yaml", sorted((ROOT / "examples" / "policies").rglob("*.json"))),
    "bandit": lambda: bandit([ROOT / name for name in PRODUCT]),
    "detect-secrets": lambda: detect_secrets(tracked()),
}


def main() -> None:
    """Run every scan; or print the expanded template (`--expand`), or write .secrets.baseline (`--write-baseline`)."""
    if "--expand" in sys.argv:
        print(json.dumps(_expand_file(ROOT / "template.yaml"), indent=1))
        return
    if "--write-baseline" in sys.argv:
        found = {
            name: [{key: each[key] for key in ("type", "hashed_secret", "line_number")} for each in every]
            for name, every in sorted(secrets(tracked()).items())
        }
        BASELINE.write_text(json.dumps({"results": found}, indent=1) + "\n", encoding="utf-8")
        return
    failed = False
    for name, scan in SCANS.items():
        findings = scan()
        failed = failed or bool(findings)
        print(f"{name}: {'passed' if not findings else ''}", *findings, sep="\n  " if findings else "")
    sys.exit(failed)


def _expand_file(template: Path) -> dict[str, Any]:
    return expand(yaml_parse(template.read_text(encoding="utf-8")))[0]


def _write(template: dict[str, Any], folder: Path) -> Path:
    file = folder / "expanded.json"
    file.write_text(json.dumps(template, indent=1), encoding="utf-8")
    return file


def _run(command: Sequence[str | Path], folder: Path = ROOT, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(part) for part in command], cwd=folder, input=stdin.encode(), capture_output=True, check=False
    )


def _parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    """Return a scanner's JSON report. Without a report nothing was checked, so its absence is an error."""
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{done.args[0]} gave no report: {done.stderr.decode()[-2000:]}") from None


if __name__ == "__main__":
    main()
