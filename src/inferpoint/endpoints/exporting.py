"""An endpoint as a configuration that makes it again elsewhere: secrets are references to variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from inferpoint.endpoints import sections
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model import settings
from inferpoint.model.credentials import Credential

_REFERENCE = "${"
_NO_NAME = re.compile(r"\W+")


def exported(endpoints: Iterable[Resolved]) -> list[dict[str, Any]]:
    """The configuration of each endpoint, with `${ENDPOINT_SETTING}` in place of every secret."""
    taken: set[str] = set()
    return [_config(resolved, taken) for resolved in endpoints]


def _config(resolved: Resolved, taken: set[str]) -> dict[str, Any]:
    endpoint = resolved.endpoint
    config: dict[str, Any] = {
        "inference_id": endpoint.inference_id,
        "task_type": endpoint.task_type.value,
        "service": endpoint.service,
        **_escaped(sections.written(endpoint)),
    }
    for section in sections.SECTIONS:
        if section.sealed and (secrets := settings.secrets(getattr(endpoint, section.field))):
            references = {name: _referred(f"{endpoint.inference_id}_{name}", secrets[name], taken) for name in secrets}
            config[section.name] = _overlaid(config.get(section.name, {}), references)
    return {sections.SERVICE_SETTINGS: {}, **config} if sections.SERVICE_SETTINGS not in config else config


def _referred(name: str, value: Any, taken: set[str]) -> Any:
    """A reference to a variable of that *name*, or of the next name that is free; one for each member of an object."""
    if isinstance(value, Credential):
        return value.reference
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {member: _referred(f"{name}_{member}", inner, taken) for member, inner in members}
    variable = first = re.sub(r"^(?=\d)", "_", _NO_NAME.sub("_", name)).upper()
    number = 1
    while variable in taken:
        number += 1
        variable = f"{first}_{number}"
    taken.add(variable)
    return f"{_REFERENCE}{variable}}}"


def _overlaid(shown: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, Any]:
    """What is *shown* of settings, with the *references* in the places of what is not."""
    return {
        **shown,
        **{
            name: {**shown.get(name, {}), **reference} if isinstance(reference, dict) else reference
            for name, reference in references.items()
        },
    }


def _escaped(value: Any) -> Any:
    """*value* with its own `${` written so that nothing is put in their places."""
    match value:
        case str():
            return value.replace(_REFERENCE, "$" + _REFERENCE)
        case dict():
            return {name: _escaped(inner) for name, inner in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_escaped(inner) for inner in cast("list[Any]", value)]
        case _:
            return value
