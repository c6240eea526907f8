"""JSON from the templates in `local/templates`, in which the value of each expression becomes JSON."""

import json
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local import ROOT

_loader = FileSystemLoader(ROOT / "local" / "templates")
_templates = Environment(loader=_loader, undefined=StrictUndefined, finalize=json.dumps)  # noqa: S701


def render_json(template: str, **values: Any) -> dict[str, Any]:
    """Return the JSON object that the template makes of these values."""
    value: dict[str, Any] = json.loads(_templates.get_template(template).render(values))
    return value
