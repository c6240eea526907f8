"""The scans: linters and scanners that need no network. A scan fails with the first finding.

`python -m tools.scan` runs them over this repository. A finding that is no fault is accepted in the scanner's own
format, with its reason: checkov's in Metadata and in .checkov.yaml, cfn-lint's in Metadata, bandit's beside the line
(`# nosec`), and what only looks like a secret in .secrets.baseline (`make secrets` updates it) or beside the line.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
SCANNERS = ROOT / ".venv-scan" / "bin"
PRODUCT = ("layers", "functions", "ops")
REGIONS = ("eu-central-1", "us-east-1", "ap-southeast-2", "sa-east-1", "us-gov-west-1", "cn-north-1")

_SAMPLES = ("tests", "events", "bench", "examples")
_HEURISTICS = ("KeywordDetector", "HexHighEntropyString", "Base64HighEntropyString", "BasicAuthDetector")
"""detect-secrets' detectors that guess from a name or from entropy. Samples are full of such text; keys of a known form
(AWS's, private keys, services' tokens) are searched for everywhere."""


@cache
def _expanded_json(templates: str) -> str:
    """Return the output of `tools/expand.py` in the SAM CLI's environment."""
    command = [ROOT / ".venv-sam" / "bin" / "python", ROOT / "tools" / "expand.py"]
    done = subprocess.run(command, input=templates, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def expand(*templates: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the templates as CloudFormation deploys them, SAM's transform applied."""
    expanded: list[dict[str, Any]] = json.loads(_expanded_json(json.dumps(templates, sort_keys=True)))
    return expanded


def expand_file(template: Path) -> dict[str, Any]:
    """Return the template in a file as CloudFormation deploys it."""
    return expand(yaml_parse(template.read_text(encoding="utf-8")))[0]


# Each scan returns what its scanner prints if there is a finding, otherwise an empty text.


def expansion(template: Path) -> str:
    """List the resources that SAM's transform leaves unexpanded, which no scanner can check."""
    resources = expand_file(template)["Resources"].items()
    return "\n".join(f"{name} is still {each['Type']}" for name, each in resources if "Serverless" in each["Type"])


def cfn_lint(template: Path) -> str:
    """Run cfn-lint for every region of `REGIONS` on the template and on what it expands to."""
    with _expanded(template) as expanded:
        return _run(Path(sys.executable).with_name("cfn-lint"), "--regions", *REGIONS, "--", template, expanded)


def checkov(template: Path) -> str:
    """Run checkov on the expanded template."""
    with _expanded(template) as expanded:
        options = ("--config-file", ROOT / ".checkov.yaml", "--compact", "--quiet", "--file", expanded)
        return _run(SCANNERS / "checkov", *options, report="Passed checks:")


def policies(template: Path, *examples: Path) -> str:
    """List actions and condition keys of IAM statements that AWS's service definitions do not know."""
    with _expanded(template) as expanded:
        return _run(SCANNERS / "python", "-W", "ignore", ROOT / "tools" / "policies.py", expanded, *examples)


def bandit(*folders: str | Path) -> str:
    """Run bandit for findings of medium severity and above, and for files that it cannot read."""
    return _run(SCANNERS / "bandit", "--recursive", "-ll", *folders, report="Files skipped (0):")


def detect_secrets(files: Sequence[str | Path], *options: str) -> str:
    """Run detect-secrets on the files, without asking services whether a key is valid."""
    return _run(SCANNERS / "detect-secrets-hook", "--no-verify", *options, *files)


def tracked(*folders: str) -> list[str]:
    """Return the repository's files, or those in some folders."""
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


SCANS: dict[str, Callable[[], str]] = {
    "expansion": lambda: expansion(ROOT / "template.yaml"),
    "cfn-lint": lambda: cfn_lint(ROOT / "template.yaml"),
    "checkov": lambda: checkov(ROOT / "template.yaml"),
    "policies": lambda: policies(ROOT / "template.yaml", *sorted((ROOT / "examples" / "policies").rglob("*.json"))),
    "bandit": lambda: bandit(*PRODUCT),
    "detect-secrets": lambda: detect_secrets(tracked(), "--baseline", ".secrets.baseline"),
    "detect-secrets in samples": lambda: detect_secrets(
        tracked(*_SAMPLES), *(f"--disable-plugin={name}" for name in _HEURISTICS)
    ),
}


def main() -> None:
    """Run every scan; or print the expanded template (`--expand`)."""
    if "--expand" in sys.argv:
        print(json.dumps(expand_file(ROOT / "template.yaml"), indent=1))
        return
    found = {}
    for name, scan in SCANS.items():
        found[name] = scan()
        print(f"{name}: {found[name] or 'passed'}", flush=True)
    sys.exit(any(found.values()))


@contextmanager
def _expanded(template: Path) -> Iterator[Path]:
    """Yield a file with the expanded template."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "expanded.json"
        file.write_text(json.dumps(expand_file(template), indent=1), encoding="utf-8")
        yield file


def _run(*command: str | Path, report: str = "") -> str:
    """Return what a scanner prints if it fails, or if `report`, which it prints after each scan, is missing."""
    environment = {**os.environ, "CKV_PARSE_ERROR_FAIL": "true"}  # for checkov, which has no option for it
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    passed = done.returncode == 0 and report in done.stdout
    return "" if passed else done.stdout or f"{command[0]} gave no report"


if __name__ == "__main__":
    main()
