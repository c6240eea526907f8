"""JSON from the templates in `templates/`: the value of each of their expressions becomes JSON."""

import json
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local import ROOT

_environment = Environment(  # noqa: S701  it writes JSON: `finalize` escapes every value
    loader=FileSystemLoader(ROOT / "local" / "templates"), undefined=StrictUndefined, finalize=json.dumps
)


def render_json(template: str, **values: Any) -> dict[str, Any]:
    """Return the JSON object that the template makes of these values."""
    value: dict[str, Any] = json.loads(_environment.get_template(template).render(values))
    return value
