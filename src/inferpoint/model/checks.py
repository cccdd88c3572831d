"""The faults of a setting's value, in Elasticsearch's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from inferpoint.model import masks, templates
from inferpoint.model.fields import is_kind
from inferpoint.model.setting import Setting
from inferpoint.model.wording import HIDDEN, JAVA_NAMES, as_java, not_of_type

_CREDENTIAL_HEADER = re.compile(r"^((proxy-)?authorization|cookie|(x-)?api-?key)$", re.IGNORECASE)
# Who sets these could end a call early and have the rest of its body taken for the next call, with another's key.
_FRAMING_HEADER = re.compile(
    r"^(host|accept-encoding|content-(length|encoding)|transfer-encoding|connection|keep-alive|expect|upgrade|te|trailer|proxy-.*)$",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_USER_INFORMATION = re.compile(r"//[^/?#]*@")
_ALSO: Mapping[type[Any], tuple[str, ...]] = {float: ("Float",)}
_INTEGER_LIMIT = 2**31
_LONG_LIMIT = 2**63
_DOUBLE_LIMIT = 2**1023


def problem(setting: Setting, value: Any, scope: str) -> str | None:
    """The first fault of *value* for *setting* of the section *scope*; None where it has none."""
    return _wrong_type(setting, value) or _wrong_value(setting, value, scope)


def _wrong_type(setting: Setting, value: Any) -> str | None:
    if not is_kind(value, setting.kind) or (setting.kind in (int, float) and abs(value) >= _limit(setting)):
        return not_a(setting, value, "Long" if setting.wide else JAVA_NAMES[setting.kind])
    return _wrong_entry(setting, value)


def _limit(setting: Setting) -> int:
    """The number that a value must stay below, positive or negative."""
    if setting.kind is float:
        return _DOUBLE_LIMIT
    return _LONG_LIMIT if setting.wide else _INTEGER_LIMIT


def _wrong_entry(setting: Setting, value: Any) -> str | None:
    """The fault of the first wrong entry of a list or a map."""
    if setting.pairs:
        return next((not_a(setting, entry, "pair of Strings") for entry in value if not _is_pair(entry)), None)
    if setting.kind is list:
        return next((not_a(setting, entry, "String") for entry in value if not isinstance(entry, str)), None)
    if setting.kind is dict:
        wrong = _wrong_header if setting.headers else _wrong_member
        return next(filter(None, (wrong(setting, *entry) for entry in value.items())), None)
    return None


def _is_pair(entry: Any) -> bool:
    match entry:
        case (str(), str()) | [str(), str()]:
            return True
        case _:
            return False


def _wrong_member(setting: Setting, name: str, entry: Any) -> str | None:
    """The fault of one entry of a map that is not of headers; a secret's is not told."""
    if not setting.entries or any(_is_entry(entry, kind) for kind in setting.entries):
        return None
    names = sorted(name for kind in setting.entries for name in (JAVA_NAMES[kind], *_ALSO.get(kind, ())))
    allowed = f"is not one of [{', '.join(names)}]."
    if setting.secret:
        return f"Map field [{setting.name}] has an entry that is not valid. Value type {allowed}"
    shown = as_java({name: entry})[1:-1].replace("=", " => ", 1)
    value = shown.partition(" => ")[2]
    return f"Map field [{setting.name}] has an entry that is not valid, [{shown}]. Value type of [{value}] {allowed}"


def _is_entry(entry: Any, kind: type[Any]) -> bool:
    """Whether *entry* is a *kind* of those that Java has in a map: whole numbers of 32 bits, strings, booleans."""
    return is_kind(entry, kind) and not (type(entry) is int and abs(entry) >= _INTEGER_LIMIT)


def _wrong_header(setting: Setting, name: str, entry: Any) -> str | None:
    """The fault of one header of a map."""
    if _CREDENTIAL_HEADER.search(name) and not (setting.template and templates.is_filled(entry)):
        return f"Map field [{setting.name}] must not hold [{name}]; keys belong in secret settings"
    if _FRAMING_HEADER.search(name):
        return f"Map field [{setting.name}] must not hold [{name}], which belongs to the connection"
    wrong = f"Map field [{setting.name}] has an entry that is not valid, [{name} => {as_java(entry)}]."
    if not isinstance(entry, str):
        return f"{wrong} Value type of [{as_java(entry)}] is not one of [String]."
    if not _HEADER_NAME.fullmatch(name) or wrong_header_value(entry):
        return f"{wrong} It cannot be written as a header."
    return None


def wrong_header_value(text: str) -> bool:
    """Whether *text* cannot be written as a header."""
    return _HEADER_VALUE.fullmatch(text) is None


def _wrong_value(setting: Setting, value: Any, scope: str) -> str | None:
    where = f"[{'secret_settings' if setting.secret else scope}]"
    if value in ("", {}, []) and value != setting.default:
        noun = {str: "string", dict: "map", list: "list"}[setting.kind]
        return f"{where} Invalid value empty {noun}. [{setting.name}] must be a non-empty {noun}"
    if setting.url and (reason := _wrong_template(value) if setting.template else wrong_url(value)):
        shown = _USER_INFORMATION.sub(f"//{HIDDEN}@", value)
        return (
            f"{where} Invalid url [{shown}] received for field [{setting.name}]."
            f" Error: unable to parse url [{shown}]. Reason: {reason}"
        )
    if setting.pattern and not re.fullmatch(setting.pattern, value):
        return f"{where} Invalid value [{value}] received. [{setting.name}] must match the pattern {setting.pattern}"
    if reason := masks.problem(setting, value):
        return f"{where} Invalid value received. {reason}"
    return _out_of_bounds(setting, value, where) or _not_a_choice(setting, value, where)


def _not_a_choice(setting: Setting, value: Any, where: str) -> str | None:
    if not setting.choices or (value.lower() if setting.any_case else value) in setting.choices:
        return None
    allowed = ", ".join(map(str, sorted(setting.choices)))  # type: ignore[type-var]
    return f"{where} Invalid value [{value}] received. [{setting.name}] must be one of [{allowed}]"


def _out_of_bounds(setting: Setting, value: Any, where: str) -> str | None:
    if setting.kind is int and setting.at_least is not None and setting.at_least >= 1 and value <= 0:
        noun = "long" if setting.wide else "integer"
        return f"{where} Invalid value [{value}]. [{setting.name}] must be a positive {noun}"
    if setting.at_least is not None and not value >= setting.at_least:
        return f"{where} Invalid value [{float(value)}]. [{setting.name}] must be {_bound('greater', setting.at_least)}"
    if setting.above is not None and not value > setting.above:
        return f"{where} Invalid value [{float(value)}]. [{setting.name}] must be greater than [{float(setting.above)}]"
    if setting.at_most is not None and not value <= setting.at_most:
        return f"{where} Invalid value [{float(value)}]. [{setting.name}] must be {_bound('less', setting.at_most)}"
    return None


def _bound(word: str, bound: float) -> str:
    return f"{word} than or equal to [{float(bound)}]"


def _wrong_template(value: str) -> str | None:
    """Why an address cannot be called, whatever is filled in; that decides nothing of where it is."""
    scheme, _, rest = value.partition("://")
    if templates.is_filled(scheme + re.split("[/?#]", rest, maxsplit=1)[0]):
        return "scheme and host must be written out, for secrets go there"
    return wrong_url(templates.PLACEHOLDER.sub("x", value))


def wrong_url(value: str) -> str | None:
    """Why *value* is no address that can be called; None of one that is."""
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


def not_a(setting: Setting, value: Any, wanted: str) -> str:
    """The problem of a *value* that is not of the type *wanted*; a secret's value is not told."""
    return not_of_type(setting.name, HIDDEN if setting.secret else value, wanted)
