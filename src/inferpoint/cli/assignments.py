"""An endpoint's configuration from words such as `model_id=m` and `api_key=@env:KEY`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from inferpoint.endpoints.sections import SECTIONS, SERVICE_SETTINGS
from inferpoint.errors import invalid

_OF_VARIABLE = "@env:"
_SECTION_NAMES = frozenset(section.name for section in SECTIONS)


def assigned(
    config: Mapping[str, Any], service: str | None, assignments: Iterable[str], environ: Mapping[str, str]
) -> dict[str, Any]:
    """*config* with the *service*, and with the value of each assignment in place of what is there."""
    wanted = {**config, **({"service": service} if service else {})}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise invalid(f"[{name}] is no NAME=VALUE")
        first, *rest = name.split(".")
        path = [first, *rest] if first in _SECTION_NAMES else [SERVICE_SETTINGS, first, *rest]
        _put(wanted, path, _value(text, environ))
    return wanted


def _put(members: dict[str, Any], path: list[str], value: Any) -> None:
    first, *rest = path
    if not rest:
        members[first] = value
        return
    inner = members.get(first)
    members[first] = dict(cast("Mapping[str, Any]", inner)) if isinstance(inner, Mapping) else {}
    _put(members[first], rest, value)


def _value(text: str, environ: Mapping[str, str]) -> Any:
    if text.startswith(_OF_VARIABLE):
        name = text.removeprefix(_OF_VARIABLE)
        if name not in environ:
            raise invalid(f"The variable [{name}] is not set")
        return environ[name]
    try:
        return json.loads(text)
    except ValueError:
        return text
