"""Declared settings as JSON Schema, draft 2020-12."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared

Schema = dict[str, Any]

_TYPES: Mapping[type[Any], str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True)
class SettingSchemas:
    """How settings are written: where a `reference` may stand for a text that is not any text, its schema.

    With `everywhere` it may also stand for numbers and other texts.
    """

    reference: Schema | None = None
    everywhere: bool = False

    def object(self, settings: Iterable[Setting]) -> Schema:
        """An object of *settings*."""
        settings = tuple(settings)
        form: Schema = {
            "type": "object",
            "properties": {one.name: self._value(one) for one in settings},
            "additionalProperties": False,
        }
        required = [one.name for one in settings if one.required]
        return {**form, "required": required} if required else form

    def _value(self, setting: Setting) -> Schema:
        """What may be said of one setting."""
        form = self._form(setting)
        narrow = any(name in form for name in ("pattern", "enum"))
        if self.reference is not None and (narrow or (self.everywhere and not setting.nested)):
            form = {"anyOf": [form, self.reference]}
        shown: Schema = {"description": setting.help}
        if isinstance(setting.default, int | float) or setting.default in setting.choices:  # others may be a machine's
            shown["default"] = setting.default
        return {**(form if setting.required else or_null(form)), **shown}

    def _form(self, setting: Setting) -> Schema:
        if setting.nested:
            return self.object(declared(setting.kind))
        if setting.kind is dict:
            return {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
        if setting.kind is list:
            return {"type": "array", "minItems": 1, "items": {"type": "string"}}
        form: Schema = {"type": _TYPES[setting.kind]}
        if setting.kind is str:
            form["minLength"] = 1
        if setting.pattern:
            form["pattern"] = f"^(?:{setting.pattern})$"
        if setting.choices:
            form |= {"pattern": in_any_case(setting.choices)} if setting.any_case else {"enum": [*setting.choices]}
        bounds = {"minimum": setting.at_least, "maximum": setting.at_most, "exclusiveMinimum": setting.above}
        return {**form, **{name: bound for name, bound in bounds.items() if bound is not None}}


def in_any_case(choices: Iterable[str | int]) -> str:
    """A pattern of *choices* in letters of any case, as every dialect of patterns reads it."""
    letters = (
        "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in str(one)) for one in choices
    )
    return f"^(?:{'|'.join(letters)})$"


def or_null(form: Schema) -> Schema:
    """*form*, or null, which is as good as absent."""
    return (
        {**form, "type": [form["type"], "null"]}
        if isinstance(form.get("type"), str) and not {"enum", "const"} & form.keys()
        else {"anyOf": [form, {"type": "null"}]}
    )
