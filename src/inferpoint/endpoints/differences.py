"""Two states of an endpoint: what tells them apart, and the update that makes one of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from inferpoint.endpoints import sections
from inferpoint.endpoints.resolved import Resolved
from inferpoint.endpoints.sections import Context, Section
from inferpoint.model import settings
from inferpoint.model.endpoint import Endpoint
from inferpoint.model.wording import HIDDEN

_HEAD = ("task_type", "service")


@dataclass(frozen=True)
class Difference:
    """One setting that differs: its section and name, and its value before and after, None where it is not set.

    Values are as everybody may see them: of a secret only that it is another one.
    """

    setting: str
    before: Any
    after: Any


def differences(
    before: Endpoint | None, after: Endpoint | None, veil: Callable[[Any], Any] = lambda _secret: HIDDEN
) -> list[Difference]:
    """The settings in which two states of an endpoint differ; None is an endpoint that is not there.

    *veil* makes of a secret, or of an object of them, what may be told of it.
    """
    heads = [
        Difference(name, old, new) for name in _HEAD if (old := _head(before, name)) != (new := _head(after, name))
    ]
    values = _flat(before), _flat(after)
    names = dict.fromkeys([*values[0], *values[1]])
    hidden = _hidden(before), _hidden(after)
    veiled = [{name: veil(value) for name, value in side.items()} for side in hidden]
    seen = [{**veiled[side], **values[side]} for side in range(2)]
    changed = [Difference(name, *(side.get(name) for side in seen)) for name in names if _differs(name, *values)]
    told = {difference.setting for difference in changed}
    secrets = [
        Difference(name, *(side.get(name) for side in veiled))
        for name in dict.fromkeys([*hidden[0], *hidden[1]])
        if name not in told and _differs(name, *hidden)
    ]
    return heads + changed + secrets


def update(before: Resolved, after: Resolved, config: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an update by which *before* becomes *after*, which *config* was read to."""
    config = sections.placed(config, after.task)
    changes: dict[str, Any] = {}
    for section in sections.SECTIONS:
        old, new = getattr(before.endpoint, section.field), getattr(after.endpoint, section.field)
        if old == new or (new is None and section.always_object):  # which no update takes away
            continue
        if section.sealed:
            changes[section.name] = _changed(old, new, config.get(section.name))
        else:
            changes[section.name] = None if new is None else section.write(new)
    return changes


def other_head(before: Resolved, after: Resolved) -> list[str]:
    """The names of those facts of an endpoint that differ and make it another one."""
    return [name for name in _HEAD if _head(before.endpoint, name) != _head(after.endpoint, name)]


def frozen(before: Resolved, changes: Mapping[str, Any]) -> list[str]:
    """The names of those settings in *changes* that no update changes."""
    context = Context(before.endpoint.inference_id, before.endpoint.task_type, before.task, update=True)
    return [
        f"{section.name}.{name}"
        for section in sections.SECTIONS
        if section.name in changes
        for name in section.unknown(changes[section.name], context)
    ]


def _changed(old: Any, new: Any, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings of a record that change, null where one goes back to its default.

    An address takes all secrets beside it along.
    """
    config = config or {}
    names = [one.name for one in settings.declared(new.__class__) if getattr(old, one.name) != getattr(new, one.name)]
    if settings.moved(old, new):
        names += [name for name in settings.secrets(new) if name not in names]
    return {name: config.get(name) for name in names}


def _head(endpoint: Endpoint | None, name: str) -> str | None:
    return None if endpoint is None else str(getattr(endpoint, name))


def _differs(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return before.get(name) != after.get(name)


def _flat(endpoint: Endpoint | None) -> dict[str, Any]:
    """The settings of an endpoint as they may be shown, each under the name of its section and its own."""
    return dict(_named(sections.written(endpoint))) if endpoint is not None else {}


def _named(written: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in written.items():
        if isinstance(value, dict) and value:
            yield from ((f"{name}.{inner}", one) for inner, one in cast("dict[str, Any]", value).items())
        else:
            yield name, value


def _hidden(endpoint: Endpoint | None) -> dict[str, Any]:
    """The values that are not shown, under the same names; never to be told."""
    if endpoint is None:
        return {}
    sealed: list[Section] = [section for section in sections.SECTIONS if section.sealed]
    return {
        f"{section.name}.{name}": value
        for section in sealed
        for name, value in settings.secrets(getattr(endpoint, section.field)).items()
    }
