"""Settings as data, in the form of Elasticsearch's `_inference/_services`."""

from __future__ import annotations

from typing import Any

from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared

_TYPE_NAMES = {str: "str", int: "int", float: "float", bool: "bool", dict: "map", list: "list"}


def described(cls: type[Any]) -> dict[str, dict[str, Any]]:
    """Each setting as data, in the form of Elasticsearch's `_inference/_services`; nested ones under a dotted name."""
    descriptions: dict[str, dict[str, Any]] = {}
    for setting in declared(cls):
        if setting.rest:
            continue
        if setting.nested:
            for name, inner in described(setting.kind).items():
                required = setting.required and inner["required"]
                descriptions[f"{setting.name}.{name}"] = {**inner, "required": required}
            continue
        descriptions[setting.name] = {
            "description": setting.help,
            "label": setting.label,
            "required": setting.required,
            "sensitive": setting.secret,
            "updatable": setting.updatable,
            "type": _TYPE_NAMES[setting.kind],
        }
        if not setting.required and setting.default is not None:
            descriptions[setting.name]["default_value"] = setting.default
        descriptions[setting.name] |= _bounds(setting)
    return descriptions


def _bounds(setting: Setting) -> dict[str, Any]:
    """What values a setting takes, in the words of JSON Schema; nothing where any will do."""
    told = {
        "enum": [*setting.choices] or None,
        "minimum": setting.at_least,
        "exclusiveMinimum": setting.above,
        "maximum": setting.at_most,
    }
    return {name: bound for name, bound in told.items() if bound is not None}
