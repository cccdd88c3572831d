"""Declare a setting once; read, check, show, describe, redact and update it from that one declaration.

The texts are Elasticsearch's: a client that reads them there reads them here. Every problem found is collected, so
that a person mends a configuration in one go.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Any, TypeVar, dataclass_transform
from urllib.parse import urlsplit

from inferpoint.model.wording import HIDDEN, JAVA_NAMES, as_java, not_of_type

S = TypeVar("S")

_CREDENTIAL_HEADER = re.compile(r"^((proxy-)?authorization|cookie|(x-)?api-?key)$", re.IGNORECASE)
# Who sets these could end a call early and have the rest of its body taken for the next call, with another's key.
_FRAMING_HEADER = re.compile(
    r"^(host|content-(length|encoding)|transfer-encoding|connection|keep-alive|expect|upgrade|te|trailer|proxy-.*)$",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_USER_INFORMATION = re.compile(r"//[^/?#]*@")
_TYPE_NAMES = {str: "str", int: "int", float: "float", bool: "bool", dict: "map", list: "list"}
_JSON_TYPES: dict[Any, Any] = {Mapping: dict, tuple: list}
_INTEGER_LIMIT = 2**31
_LONG_LIMIT = 2**63
_DOUBLE_LIMIT = 2**1023


@dataclass(frozen=True)
class Setting:
    """One thing a user may set.

    `kind` is the JSON type (`str`, `int`, `float`, `bool`, `dict` of strings, `list` of strings) or a settings class
    for an object of settings. Bounds are inclusive, but for `above`. `wide` integers have 64 bits, others 32. Choices
    that take `any_case` are kept in lower case. `pattern` is what the whole of a string must match.
    """

    name: str
    kind: type[Any]
    label: str
    help: str
    default: Any = MISSING
    choices: tuple[str | int, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    pattern: str = ""
    any_case: bool = False
    url: bool = False
    wide: bool = False
    updatable: bool = False
    secret: bool = False

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING

    @property
    def nested(self) -> bool:
        """Whether its value is an object of settings."""
        return dataclasses.is_dataclass(self.kind)


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
) -> Any:
    """One setting: what it is for, and what values it takes."""
    declared = {
        "label": label, "help": help, "choices": choices, "at_least": at_least, "at_most": at_most, "above": above,
        "pattern": pattern, "any_case": any_case, "url": url, "wide": wide, "updatable": updatable, "secret": False,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=declared)


def secret(help: str, *, default: Any = MISSING, label: str = "") -> Any:  # noqa: A002
    """A setting that is stored sealed and never shown again; every secret can be replaced."""
    declared = {"label": label, "help": help, "updatable": True, "secret": True}
    return dataclasses.field(default=default, repr=False, metadata=declared)


@dataclass_transform(field_specifiers=(setting, secret), frozen_default=True, kw_only_default=True)
def settings(cls: type[S]) -> type[S]:
    """Turn a class of `setting(...)`s into a frozen record."""
    return dataclass(frozen=True, kw_only=True)(cls)


@cache
def declared(cls: type[Any]) -> tuple[Setting, ...]:
    """The settings of a class, in the order of their declaration."""
    hints = typing.get_type_hints(cls)
    return tuple(_declared(field, _kind(hints[field.name])) for field in dataclasses.fields(cls))


def read(cls: type[S], given: Mapping[str, Any], *, scope: str, problems: list[str]) -> S | None:
    """Read *given* as *cls*, leaving unknown names aside; None when anything was added to *problems*."""
    before = len(problems)
    values: dict[str, Any] = {}
    for each in declared(cls):
        if given.get(each.name) is not None:
            values[each.name] = _value(each, given[each.name], scope, problems)
        elif each.required:
            where = "secret_settings" if each.secret else scope
            problems.append(f"[{where}] does not contain the required setting [{each.name}]")
    return cls(**values) if len(problems) == before else None


def overlay(record: S, given: Mapping[str, Any], *, scope: str, problems: list[str]) -> S:
    """*record* with the values of *given*; an explicit null brings a default back."""
    before = len(problems)
    values: dict[str, Any] = {}
    for each in declared(record.__class__):
        if each.name not in given:
            continue
        if given[each.name] is not None:
            values[each.name] = _value(each, given[each.name], scope, problems)
        elif each.required:
            where = "secret_settings" if each.secret else scope
            problems.append(f"[{where}] does not contain the required setting [{each.name}]")
        else:
            values[each.name] = each.default
    return dataclasses.replace(record, **values) if len(problems) == before else record  # type: ignore[type-var]


def unknown(cls: type[Any], given: Mapping[str, Any], *, updatable: bool = False) -> dict[str, Any]:
    """What is in *given* that *cls* does not declare, or with *updatable* does not allow to change."""
    names = {each.name for each in declared(cls) if each.updatable or not updatable}
    return {name: value for name, value in given.items() if name not in names}


def public(record: Any) -> dict[str, Any]:
    """The settings that may be shown, without those that are not set."""
    return _written(record, secrets=False)


def secrets(record: Any) -> dict[str, str]:
    """The secret settings that are set. Only the vault and the signing of a call want these."""
    return _written(record, secrets=True)


def described(cls: type[Any]) -> dict[str, dict[str, Any]]:
    """Each setting as data, in the form of Elasticsearch's `_inference/_services`; nested ones under a dotted name."""
    found: dict[str, dict[str, Any]] = {}
    for each in declared(cls):
        if each.nested:
            for name, inner in described(each.kind).items():
                found[f"{each.name}.{name}"] = {**inner, "required": each.required and inner["required"]}
            continue
        found[each.name] = {
            "description": each.help,
            "label": each.label,
            "required": each.required,
            "sensitive": each.secret,
            "updatable": each.updatable,
            "type": _TYPE_NAMES[each.kind],
        }
        if not each.required and each.default is not None:
            found[each.name]["default_value"] = each.default
    return found


def _declared(field: dataclasses.Field[Any], kind: type[Any]) -> Setting:
    given: dict[str, Any] = dict(field.metadata)
    label = given.pop("label") or _label(field.name)
    return Setting(name=field.name, kind=kind, label=label, default=field.default, **given)


def _kind(hint: Any) -> type[Any]:
    """The JSON type that a type hint stands for, without its `| None`."""
    parts: tuple[Any, ...] = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    wanted = next(part for part in parts if part is not types.NoneType)
    origin: Any = typing.get_origin(wanted) or wanted
    return _JSON_TYPES.get(origin, origin)


def _label(name: str) -> str:
    return " ".join({"api": "API", "id": "ID", "url": "URL"}.get(word, word.title()) for word in name.split("_"))


def _written(record: Any, *, secrets: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in declared(record.__class__):
        value: Any = getattr(record, each.name)
        if each.nested and value is not None:
            value = _written(value, secrets=secrets)
            if value:
                found[each.name] = value
        elif each.secret is secrets and value is not None:
            found[each.name] = value
    return found


def _value(each: Setting, value: Any, scope: str, problems: list[str]) -> Any:
    """*value* as the setting takes it; what is wrong with it is added to *problems*."""
    if each.nested:
        return _object(each, value, problems)
    problem = _wrong_type(each, value) or _wrong_value(each, value, scope)
    if problem:
        problems.append(problem)
    if each.kind is list and isinstance(value, list):
        return tuple(typing.cast("list[Any]", value))
    return value.lower() if each.any_case and isinstance(value, str) else value


def _object(each: Setting, value: Any, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        problems.append(_not_of_type(each, value, "Map"))
        return None
    given = typing.cast("dict[str, Any]", value)
    if not given:
        return None if each.required else each.default
    if extra := unknown(each.kind, given):
        problems.append(f"{each.label.capitalize()} settings contain unknown entries [{as_java(extra)}]")
    return read(each.kind, given, scope=each.name, problems=problems)


def _wrong_type(each: Setting, value: Any) -> str | None:
    accepted: Any = (int, float) if each.kind is float else each.kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and each.kind is not bool):
        return _not_of_type(each, value, _java_name(each))
    if each.kind is int and abs(value) >= (_LONG_LIMIT if each.wide else _INTEGER_LIMIT):
        return _not_of_type(each, value, _java_name(each))
    if each.kind is float and abs(value) >= _DOUBLE_LIMIT:
        return _not_of_type(each, value, _java_name(each))
    return _wrong_entry(each, value)


def _wrong_entry(each: Setting, value: Any) -> str | None:
    """What is wrong with the first wrong entry of a list or a map."""
    if each.kind is list:
        strange = [entry for entry in value if not isinstance(entry, str)]
        return _not_of_type(each, strange[0], "String") if strange else None
    if each.kind is dict:
        return next(filter(None, (_wrong_header(each, name, entry) for name, entry in value.items())), None)
    return None


def _wrong_header(each: Setting, name: str, entry: Any) -> str | None:
    """Every map is of headers so far."""
    if _CREDENTIAL_HEADER.search(name):
        return f"Map field [{each.name}] must not hold [{name}], which would be shown; keys belong in secret settings"
    if _FRAMING_HEADER.search(name):
        return f"Map field [{each.name}] must not hold [{name}], which belongs to the connection"
    wrong = f"Map field [{each.name}] has an entry that is not valid, [{name} => {as_java(entry)}]."
    if not isinstance(entry, str):
        return f"{wrong} Value type of [{as_java(entry)}] is not one of [String]."
    if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(entry)):
        return f"{wrong} It cannot be written as a header."
    return None


def _wrong_value(each: Setting, value: Any, scope: str) -> str | None:
    where = f"[{'secret_settings' if each.secret else scope}]"
    if value in ("", {}, []):
        noun = {"str": "string", "map": "map", "list": "list"}[_TYPE_NAMES[each.kind]]
        return f"{where} Invalid value empty {noun}. [{each.name}] must be a non-empty {noun}"
    if each.url and (reason := _wrong_url(value)):
        shown = _USER_INFORMATION.sub(f"//{HIDDEN}@", value)
        return (
            f"{where} Invalid url [{shown}] received for field [{each.name}]."
            f" Error: unable to parse url [{shown}]. Reason: {reason}"
        )
    if each.pattern and not re.fullmatch(each.pattern, value):
        return f"{where} Invalid value [{value}] received. [{each.name}] must match the pattern {each.pattern}"
    return _out_of_bounds(each, value, where) or _not_a_choice(each, value, where)


def _not_a_choice(each: Setting, value: Any, where: str) -> str | None:
    if not each.choices or (value.lower() if each.any_case else value) in each.choices:
        return None
    allowed = ", ".join(map(str, sorted(each.choices)))  # type: ignore[type-var]
    return f"{where} Invalid value [{value}] received. [{each.name}] must be one of [{allowed}]"


def _out_of_bounds(each: Setting, value: Any, where: str) -> str | None:
    if each.kind is int and each.at_least is not None and each.at_least >= 1 and value <= 0:
        noun = "long" if each.wide else "integer"
        return f"{where} Invalid value [{value}]. [{each.name}] must be a positive {noun}"
    if each.at_least is not None and not value >= each.at_least:
        return f"{where} Invalid value [{float(value)}]. [{each.name}] must be {_bound('greater', each.at_least)}"
    if each.above is not None and not value > each.above:
        return f"{where} Invalid value [{float(value)}]. [{each.name}] must be greater than [{float(each.above)}]"
    if each.at_most is not None and not value <= each.at_most:
        return f"{where} Invalid value [{float(value)}]. [{each.name}] must be {_bound('less', each.at_most)}"
    return None


def _bound(word: str, bound: float) -> str:
    return f"{word} than or equal to [{float(bound)}]"


def _wrong_url(value: str) -> str | None:
    if re.search(r"[\s\x00-\x1f<>\"{}|\\^`]", value):
        return "Illegal character"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "the scheme must be http or https"
    if parts.username is not None or parts.password is not None:
        return "user information is not allowed"
    return None if parts.hostname else "the host is missing"


def _not_of_type(each: Setting, value: Any, wanted: str) -> str:
    return not_of_type(each.name, HIDDEN if each.secret else value, wanted)


def _java_name(each: Setting) -> str:
    return "Long" if each.wide else JAVA_NAMES[each.kind]
