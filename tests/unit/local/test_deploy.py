import copy
from pathlib import Path

import pytest

from local import deploy
from local.deploy import _supported, replace_parameters
from local.errors import StartFailed
from local.terminal import SILENT
from tests.support.template import SOURCE

LISTS = {name for name, each in SOURCE["Parameters"].items() if each["Type"] == "CommaDelimitedList"}
SUPPORTED = _supported(replace_parameters(copy.deepcopy(SOURCE), {"VendorMaxConcurrency": "2"}))


@pytest.mark.parametrize("name", [name for name, each in SOURCE["Conditions"].items() if "Fn::Join" in str(each)])
def test_conditions_on_lists_compare_the_parameter_itself(name: str) -> None:
    [condition] = SUPPORTED["Conditions"][name]["Fn::Not"]
    parameter, empty = condition["Fn::Equals"]
    assert parameter["Ref"] in LISTS
    assert empty == ""


def test_the_event_sources_concurrency_is_a_number() -> None:
    source = SUPPORTED["Resources"]["IngestFunction"]["Properties"]["Events"]["Queue"]["Properties"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_application_is_built_again_only_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    monkeypatch.setattr(deploy, "FOLDER", tmp_path / "3.x")
    monkeypatch.setattr(deploy, "sam", lambda command, *_: built.append(command[0]))
    (tmp_path / "functions").mkdir()
    (tmp_path / "template.yaml").touch()
    for content, times in (("a", 1), ("a", 1), ("b", 2), ("a", 3)):
        (tmp_path / "functions" / "app.py").write_text(content)
        deploy._build(SILENT, tmp_path / "log")
        assert len(built) == times


def test_failed_build_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StartFailed("no")

    monkeypatch.setattr(deploy, "FOLDER", tmp_path)
    monkeypatch.setattr(deploy, "sam", lambda *_: None)
    deploy._build(SILENT, tmp_path / "log")
    monkeypatch.setattr(deploy, "sam", fail)
    monkeypatch.setattr(deploy, "_digest_of_sources", lambda: "changed")
    for _ in range(2):
        with pytest.raises(StartFailed):
            deploy._build(SILENT, tmp_path / "log")
