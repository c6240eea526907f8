"""What the transform AWS::LanguageExtensions does before SAM's on AWS: parameters' values stand in place of references.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
"""

from collections.abc import Mapping
from typing import Any


def put_in_place(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The template with the values of its parameters, `given` or by default, in its globals and resources.

    All are text, as parameters are. References to lists stay.
    """
    values = {
        name: str(given.get(name, declared.get("Default")))
        for name, declared in template["Parameters"].items()
        if declared["Type"] in ("String", "Number")
    }

    def settled(node: Any) -> Any:
        match node:
            case {"Ref": str(name)} if name in values:
                return values[name]
            case dict():
                return {key: settled(child) for key, child in node.items()}
            case list():
                return [settled(child) for child in node]
        return node

    return {**template, **{part: settled(template[part]) for part in ("Globals", "Resources")}}
