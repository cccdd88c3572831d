"""The page of each service, made from its declarations and its recorded conversations: `docs/services/<service>.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, replace
from pathlib import Path
from typing import Any, cast

from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import Medium
from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared
from inferpoint.protocols.service import Service, Task
from inferpoint.testing.conversations import Exchange, RecordedTask

KEY = "<key>"
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "map", list: "list"}


def page(service: Service, conversations: Path) -> str:
    """The page of *service*, whose recorded conversations are in a folder of its name in *conversations*."""
    recorded = {kind: RecordedTask(service, kind, conversations / service.name) for kind in service.tasks}
    lines = [
        f"# {service.title}",
        "",
        f"Service `{service.name}`. Written by `make docs` from its declarations and recorded conversations.",
        "",
        *_tasks(service, recorded),
        *_settings("Service settings", "service_settings", service, lambda task: task.settings),
        *_settings("Task settings", "task_settings", service, lambda task: task.options),
        *_examples(recorded),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _tasks(service: Service, recorded: Mapping[TaskType, RecordedTask]) -> Iterator[str]:
    yield "| task | streams | requests a minute | inputs a call | tokens a call |"
    yield "|---|---|---|---|---|"
    for kind, task in service.tasks.items():
        limits = task.rates.limits(recorded[kind].exchanges()[0].settings)
        rate = "no limit" if task.rates.default is None else str(task.rates.default)
        streams = "yes" if task.reader else "no"
        yield f"| `{kind}` | {streams} | {rate} | {limits.inputs or 'any'} | {limits.tokens or 'any'} |"
    yield ""


def _settings(title: str, place: str, service: Service, of: Any) -> Iterator[str]:
    """The table of the settings in one *place*, each once, with the tasks that have it."""
    tasks: dict[str, list[str]] = {}
    rows: dict[str, str] = {}
    for kind, task in service.tasks.items():
        for name, setting in _flat(of(task)):
            tasks.setdefault(name, []).append(kind.value)
            rows.setdefault(name, _row(setting))
    if not rows:
        return
    yield f"## {title}"
    yield ""
    yield f"In `{place}`; `*` marks those that must be set, `secret` those that are never shown."
    yield ""
    yield "| setting | type | default | takes | changes by `_update` | tasks | |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in rows.items():
        of_tasks = "all" if len(tasks[name]) == len(service.tasks) else ", ".join(f"`{kind}`" for kind in tasks[name])
        yield f"| `{name}`{row.replace('{tasks}', of_tasks)}"
    yield ""


def _flat(cls: type[Any], within: str = "") -> Iterator[tuple[str, Setting]]:
    """The settings of a class; those of an object stand under its name and a dot."""
    for setting in declared(cls):
        if setting.nested:
            inner = _flat(setting.kind, f"{within}{setting.name}.")
            yield from ((name, replace(one, updatable=setting.updatable)) for name, one in inner)
        else:
            yield f"{within}{setting.name}", setting


def _row(setting: Setting) -> str:
    mark = " *" if setting.required else ""
    default = "" if setting.default in (MISSING, None) else f"`{json.dumps(setting.default)}`"
    kind = "secret" if setting.secret else _TYPES[setting.kind]
    changes = "yes" if setting.updatable else "no"
    return f"{mark} | {kind} | {default} | {_bounds(setting)} | {changes} | {{tasks}} | {setting.help} |"


def _bounds(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    bounds = [
        *([f"at least {setting.at_least:g}"] if setting.at_least is not None else []),
        *([f"more than {setting.above:g}"] if setting.above is not None else []),
        *([f"at most {setting.at_most:g}"] if setting.at_most is not None else []),
    ]
    return ", ".join(bounds) or ("an address" if setting.url else "")


def _examples(recorded: Mapping[TaskType, RecordedTask]) -> Iterator[str]:
    yield "## Examples"
    yield ""
    for kind, task in recorded.items():
        exchange = task.exchanges()[0]
        yield f"### {kind}"
        yield ""
        yield from _block(f"PUT _inference/{kind}/my-{kind.replace('_', '-')}", configuration(task.task, exchange))
        yield from _block(f"POST _inference/{kind}/my-{kind.replace('_', '-')}", asked(exchange))


def configuration(task: Task[Any, Any], exchange: Exchange) -> dict[str, Any]:
    """The body that makes the endpoint of an exchange, with placeholders for what is secret."""
    hidden = {setting.name for setting in declared(task.settings) if setting.secret}
    recorded = exchange.recording.settings
    settings = {name: _placeholders(value) if name in hidden else value for name, value in recorded.items()}
    body = {"service": exchange.of.service.name, "service_settings": settings}
    return {**body, "task_settings": exchange.recording.options} if exchange.recording.options else body


def _placeholders(secret: Any) -> Any:
    """What stands in the place of a *secret*, or of each in a map of them."""
    return dict.fromkeys(cast("dict[str, Any]", secret), KEY) if isinstance(secret, dict) else KEY


def asked(exchange: Exchange) -> dict[str, Any]:
    """The body of the request of an exchange."""
    recording = exchange.recording
    if recording.conversation is not None:
        return recording.conversation
    if recording.query is not None:
        return {"query": recording.query, "input": recording.documents}
    return {"input": [content if isinstance(content, str) else _content(content) for content in recording.input]}


def _content(media: Mapping[Medium, str]) -> dict[str, Any]:
    """An input that is no text, in Elasticsearch's form."""
    ((medium, uri),) = media.items()
    return {"content": {"type": medium, "value": uri}}


def _block(line: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield "```"
    yield line
    yield json.dumps(body, indent=2, ensure_ascii=False)
    yield "```"
    yield ""
