import copy

import pytest

from local.deploy import _supported
from tests.support.template import SOURCE

LISTS = {name for name, each in SOURCE["Parameters"].items() if each["Type"] == "CommaDelimitedList"}


@pytest.mark.parametrize("name", [name for name, each in SOURCE["Conditions"].items() if "Fn::Join" in str(each)])
def test_conditions_on_lists_compare_the_parameter_itself(name: str) -> None:
    [condition] = _supported(copy.deepcopy(SOURCE))["Conditions"][name]["Fn::Not"]
    parameter, empty = condition["Fn::Equals"]
    assert parameter["Ref"] in LISTS
    assert empty == ""
