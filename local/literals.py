"""Replace references to parameters by their values, as the transform AWS::LanguageExtensions does before SAM's on AWS.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
"""

import copy
from collections.abc import Mapping
from typing import Any

from samtranslator.intrinsics.actions import RefAction
from samtranslator.intrinsics.resolver import IntrinsicsResolver


def replace_parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the template with parameters (`given` or default, as strings) in its globals and resources.

    References to list parameters stay.
    """
    values = {
        name: str(given.get(name, declared.get("Default")))
        for name, declared in template["Parameters"].items()
        if declared["Type"] in ("String", "Number")
    }
    resolve = IntrinsicsResolver(values, {"Ref": RefAction()}).resolve_parameter_refs
    return {**template, **{part: resolve(copy.deepcopy(template[part])) for part in ("Globals", "Resources")}}
