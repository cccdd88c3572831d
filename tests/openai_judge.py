"""OpenAI's own OpenAPI document as the judge of what its face answers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCUMENT = Path(__file__).parent / "openai_openapi.json"


@cache
def _validator(schema: str) -> Draft202012Validator:
    components = json.loads(DOCUMENT.read_text("utf-8"))["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components})


def judged(schema: str, value: Any) -> Any:
    """*value*, which is valid by the schema of that name."""
    problems = [f"{error.json_path}: {error.message}" for error in _validator(schema).iter_errors(value)]
    assert problems == [], json.dumps(value)
    return value
