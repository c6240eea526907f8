"""Writes docs/openapi.json: the retrieval API as OpenAPI 3.1.

    python -m local.openapi

Shapes come from `retrieval.answers` and `retrieval.problems`, bounds from `retrieval.queries`, words from the routes.
The tests hold every answer that they see against it.
"""

import sys

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema  # noqa: F401

from local import ROOT

sys.path.extend(str(ROOT / folder) for folder in ("functions", "layers"))

# the functions' packages are found only now

PATH = ROOT / "docs" / "openapi.json"
