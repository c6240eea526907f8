"""Replace references to parameters by their values, as the transform AWS::LanguageExtensions does before SAM's on AWS.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
"""

from collections.abc import Mapping
from typing import Any


def replace_parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the template with parameters (`given` or default, as strings) in its globals and resources.

    References to list parameters stay.
    """
    values = {
        name: str(given.get(name, declared.get("Default")))
        for name, declared in template["Parameters"].items()
        if declared["Type"] in ("String", "Number")
    }

    def replaced(node: Any) -> Any:
        match node:
            case {"Ref": str(name)} if name in values:
                return values[name]
            case dict():
                return {key: replaced(child) for key, child in node.items()}
            case list():
                return [replaced(child) for child in node]
        return node

    return {**template, **{part: replaced(template[part]) for part in ("Globals", "Resources")}}
