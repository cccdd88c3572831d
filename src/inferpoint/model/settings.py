"""Declare a setting once; read, check, show, describe, redact and update it from that one declaration.

The texts are Elasticsearch's: a client that reads them there reads them here. Every problem found is collected, so
that a person mends a configuration in one go.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Any, TypeVar, dataclass_transform

import msgspec

from inferpoint.model import checks, masks
from inferpoint.model.setting import Setting
from inferpoint.model.wording import HIDDEN, as_java

S = TypeVar("S")

_JSON_TYPES: dict[Any, Any] = {Mapping: dict, tuple: list}


def setting(
    help: str,  # noqa: A002 - the word that a reader of a declaration expects
    *,
    default: Any = MISSING,
    label: str = "",
    choices: tuple[str | int, ...] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    pattern: str = "",
    any_case: bool = False,
    url: bool = False,
    wide: bool = False,
    updatable: bool = False,
    template: bool = False,
    merged: bool = False,
) -> Any:
    """One setting: what it is for, and what values it takes."""
    declared = {
        "label": label, "help": help, "choices": choices, "at_least": at_least, "at_most": at_most, "above": above,
        "pattern": pattern, "any_case": any_case, "url": url, "wide": wide, "updatable": updatable, "secret": False,
        "template": template, "merged": merged,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=declared)


def secret(help: str, *, default: Any = MISSING, label: str = "") -> Any:  # noqa: A002
    """A setting that is stored sealed and never shown again; every secret can be replaced."""
    declared = {"label": label, "help": help, "updatable": True, "secret": True}
    return dataclasses.field(default=default, metadata=declared)


def rest(help: str) -> Any:  # noqa: A002
    """A map of what a request says beyond the other settings of its class, which no endpoint has."""
    return dataclasses.field(default=None, metadata={"label": "", "help": help, "updatable": True, "rest": True})


@dataclass_transform(field_specifiers=(setting, secret, rest), frozen_default=True, kw_only_default=True)
def settings(cls: type[S]) -> type[S]:
    """Turn a class of `setting(...)`s into a frozen record, whose repr is what may be shown of it."""
    record = dataclass(frozen=True, kw_only=True, repr=False)(cls)
    record.__repr__ = _shown
    return record


def _shown(self: object) -> str:
    members = ", ".join(f"{name}={value!r}" for name, value in public(self).items())
    return f"{self.__class__.__name__}({members})"


@cache
def declared(cls: type[Any]) -> tuple[Setting, ...]:
    """The settings of a class, in the order of their declaration."""
    hints = typing.get_type_hints(cls)
    return tuple(_declared(field, hints[field.name]) for field in dataclasses.fields(cls))


def read(cls: type[S], values: Mapping[str, Any], *, scope: str, problems: list[str]) -> S | None:
    """Read *values* as *cls*, leaving unknown names aside; None when anything was added to *problems*."""
    before = len(problems)
    members = _members(declared(cls), values, scope, problems)
    return cls(**members) if len(problems) == before else None


def overlay(record: S, values: Mapping[str, Any], *, scope: str, problems: list[str]) -> S:
    """*record* with *values* in place of its own; an explicit null brings a default back, `***` what it stands for."""
    before = len(problems)
    changed = [setting for setting in declared(record.__class__) if setting.name in values]
    whole = {one.name: _changed(one, values[one.name], getattr(record, one.name)) for one in changed}
    members = _members(changed, whole, scope, problems)
    return dataclasses.replace(record, **members) if len(problems) == before else record  # type: ignore[type-var]


def gathered(cls: type[Any], values: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The *values* of a request as *cls* takes them, and those that it does not take.

    Whatever it does not declare is in the setting that takes the rest, if there is one.
    """
    taking = next((setting.name for setting in declared(cls) if setting.rest), None)
    left = unknown(cls, values)
    if taking is None or not left:
        return values, left
    return {**{name: value for name, value in values.items() if name not in left}, taking: left}, {}


def unknown(cls: type[Any], values: Mapping[str, Any], *, updatable: bool = False) -> dict[str, Any]:
    """The *values* that *cls* does not declare, or with *updatable* does not allow to change."""
    every = [setting for setting in declared(cls) if not setting.rest]
    names = {setting.name for setting in every if setting.updatable or not updatable}
    return {name: value for name, value in values.items() if name not in names}


def public(record: Any) -> dict[str, Any]:
    """The settings as they may be shown, without those that are not set; what may be a key in them is `***`."""
    return _written(record, masks.shown)


def secrets(record: Any) -> dict[str, Any]:
    """The settings that are not shown whole: over `public` they make the record again. Only the vault wants these."""
    return _written(record, lambda setting, value: None if masks.shown(setting, value) == value else value)


def unsealed(cls: type[Any], shown: Mapping[str, Any], opened: Mapping[str, str]) -> dict[str, Any]:
    """The values of *cls* that were *shown*, with those in their places that `sealable` wrote and a vault opened."""
    values = dict(shown)
    for setting in declared(cls):
        if (text := opened.get(setting.name)) is None:
            continue
        value: Any = text if setting.kind is str else msgspec.json.decode(text)
        values[setting.name] = {**values.get(setting.name, {}), **value} if setting.nested else value
    return values


def sealable(record: Any) -> dict[str, str]:
    """The `secrets` of a record as texts to be sealed."""
    return {name: as_text(value) for name, value in secrets(record).items()}


def as_text(value: Any) -> str:
    """A value that is not shown as one text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def hidden(record: Any) -> tuple[str, ...]:
    """Every text in a record that no message may show."""
    keys: list[str] = []
    for setting in declared(record.__class__):
        value: Any = getattr(record, setting.name)
        if value is not None:
            keys += hidden(value) if setting.nested else masks.texts(setting, value)
    return tuple(keys)


def moved(before: Any, after: Any) -> list[str]:
    """The names of the addresses that differ between two records of a class, to which what is secret goes."""
    return [one.name for one in declared(before.__class__) if _addresses(one, before) != _addresses(one, after)]


def addresses(record: Any) -> list[str]:
    """The addresses that are set in a record, to which what is secret goes."""
    return [address for setting in declared(record.__class__) for address in _addresses(setting, record)]


def staying(record: Any, values: Mapping[str, Any]) -> list[str]:
    """The names of those keys of *record*, set and no addresses, that an update with *values* leaves as they are."""
    stored = {setting.name: setting for setting in declared(record.__class__) if setting.name in secrets(record)}
    return [name for name, setting in stored.items() if not setting.url and _stays(setting, values)]


def _declared(field: dataclasses.Field[Any], hint: Any) -> Setting:
    declaration: dict[str, Any] = dict(field.metadata)
    label = declaration.pop("label") or _label(field.name)
    kind, entries = _kind(hint)
    return Setting(name=field.name, kind=kind, entries=entries, label=label, default=field.default, **declaration)


def _kind(hint: Any) -> tuple[type[Any], tuple[type[Any], ...]]:
    """The JSON type that a type hint stands for, without its `| None`, and those of its entries."""
    wanted = next(part for part in _parts(hint) if part is not types.NoneType)
    origin: Any = typing.get_origin(wanted) or wanted
    kind = _JSON_TYPES.get(origin, origin)
    if kind is not dict and kind is not list:
        return kind, ()
    of = typing.get_args(wanted)[1 if kind is dict else 0]
    return kind, tuple(typing.get_origin(entry) or entry for entry in _parts(of) if entry is not Any)


def _parts(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _label(name: str) -> str:
    return " ".join({"api": "API", "id": "ID", "url": "URL"}.get(word, word.title()) for word in name.split("_"))


def _changed(setting: Setting, value: Any, stored: Any) -> Any:
    """The *value* of an update, with what of a map is *stored* and stays."""
    if setting.merged and isinstance(value, dict) and stored:
        return {**stored, **typing.cast("dict[str, Any]", value)}
    return masks.restored(setting, value, stored)


def _stays(setting: Setting, values: Mapping[str, Any]) -> bool:
    """Whether any part of what is stored for a setting outlives an update with *values*."""
    value = values.get(setting.name, HIDDEN)
    return value == HIDDEN or (setting.kind is dict and isinstance(value, dict) and HIDDEN in value.values())


def _addresses(setting: Setting, record: Any) -> list[str]:
    """The address that a setting holds, or those in the record that it holds."""
    value: Any = getattr(record, setting.name)
    if setting.nested and value is not None:
        return [address for inner in declared(setting.kind) for address in _addresses(inner, value)]
    return [value] if setting.url and value is not None else []


def _written(record: Any, view: Callable[[Setting, Any], Any]) -> dict[str, Any]:
    """The settings as *view* has their values, without those of which it has none."""
    written: dict[str, Any] = {}
    for setting in declared(record.__class__):
        value: Any = getattr(record, setting.name)
        if value is not None:
            seen = (_written(value, view) or None) if setting.nested else view(setting, value)
            if seen is not None:
                written[setting.name] = seen
    return written


def _members(wanted: Iterable[Setting], values: Mapping[str, Any], scope: str, problems: list[str]) -> dict[str, Any]:
    """The *wanted* settings out of *values*, with the default of each that is missing or null."""
    members: dict[str, Any] = {}
    for setting in wanted:
        if (value := values.get(setting.name)) is not None:
            members[setting.name] = _value(setting, value, scope, problems)
        elif setting.required:
            where = "secret_settings" if setting.secret else scope
            problems.append(f"[{where}] does not contain the required setting [{setting.name}]")
        else:
            members[setting.name] = setting.default
    return members


def _value(setting: Setting, value: Any, scope: str, problems: list[str]) -> Any:
    """*value* as the setting takes it; its faults are added to *problems*."""
    if setting.nested:
        return _object(setting, value, problems)
    if setting.kind is dict and isinstance(value, dict):
        value = {name: entry for name, entry in typing.cast("dict[str, Any]", value).items() if entry is not None}
    if problem := checks.problem(setting, value, scope):
        problems.append(problem)
    if setting.kind is list and isinstance(value, list):
        entries = typing.cast("list[Any]", value)
        return tuple(tuple(entry) for entry in entries) if setting.pairs and not problem else tuple(entries)
    return value.lower() if setting.any_case and isinstance(value, str) else value


def _object(setting: Setting, value: Any, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        problems.append(checks.not_a(setting, value, "Map"))
        return None
    if not value and not setting.required:
        return setting.default
    values = typing.cast("dict[str, Any]", value)
    if extra := unknown(setting.kind, values):
        problems.append(f"{setting.label.capitalize()} settings contain unknown entries [{as_java(extra)}]")
    return read(setting.kind, values, scope=setting.name, problems=problems)
