"""An endpoint as a document of sections: from a request's configuration, and to the store and back.

Texts and the order of the checks are Elasticsearch's; every problem of the settings is told at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inferpoint.endpoints import sections
from inferpoint.endpoints.resolved import Resolved, task_of
from inferpoint.endpoints.sections import Context
from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model import settings
from inferpoint.model.endpoint import Endpoint, TaskType, task_type
from inferpoint.protocols.service import Service
from inferpoint.storage.store import StoredEndpoint
from inferpoint.storage.vault import Vault

_HEAD = ("service", "task_type")  # what a configuration says beside its sections


def parse(inference_id: str, kind: TaskType, config: Mapping[str, Any], *, largest_chunk: int) -> Resolved:
    """The endpoint that *config* describes, not yet tried; every problem of its settings is in one `INVALID`.

    What is wrong with settings is told first, then what is left over and unknown.
    """
    service, task = task_of(config.get("service"), kind)
    for section in sections.SECTIONS:
        if section.required and section.name not in config:
            raise invalid(f"Missing required field [{section.name}]")
    config = sections.placed(config, task)
    context = Context(inference_id, kind, task, largest_chunk)
    problems: list[str] = []
    values = {section.field: section.read(config.get(section.name), context, problems) for section in sections.SECTIONS}
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    refuse_unknown(_strange(config), service)
    for section in sections.SECTIONS:
        refuse_unknown(section.unknown(config.get(section.name), context), service)
    version = uuid.uuid4().hex
    endpoint = Endpoint(inference_id=inference_id, task_type=kind, service=service.name, version=version, **values)
    task.check(endpoint.settings, endpoint.options)
    return Resolved(endpoint, service, task)


def check_update(config: Mapping[str, Any]) -> None:
    """`INVALID` unless *config* has the form of an update, whatever it is an update of."""
    if not config:
        raise invalid("Request body is empty")
    if strange := _strange(config):
        raise not_updatable(strange)
    for section in sections.SECTIONS:
        if section.always_object and not isinstance(config.get(section.name, {}), dict):
            raise invalid(f"Unable to parse [{section.name}] in the request [{settings.as_java(config)}]")
    if not isinstance(config.get("task_type", ""), str):
        raise invalid(f"Failed to parse [task_type] in update request [{settings.as_java(config)}]")


def merge(resolved: Resolved, config: Mapping[str, Any], *, largest_chunk: int) -> Resolved:
    """*resolved* with the sections that *config* changes, not yet tried; itself where nothing changes."""
    before, task = resolved.endpoint, resolved.task
    context = Context(before.inference_id, before.task_type, task, largest_chunk, update=True)
    named = [section for section in sections.SECTIONS if section.name in config]
    for section in named:
        refuse_unknown(section.unknown(config[section.name], context), resolved.service)
    problems: list[str] = []
    values = {
        section.field: section.merge(getattr(before, section.field), config[section.name], context, problems)
        for section in named
    }
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    after = replace(before, **values)
    task.check(after.settings, after.options)
    return resolved if after == before else replace(resolved, endpoint=replace(after, version=uuid.uuid4().hex))


def same_to_providers(endpoint: Endpoint, other: Endpoint) -> bool:
    """Whether nothing that a provider sees tells two versions of an endpoint apart."""
    fields = [section.field for section in sections.SECTIONS if section.provider_sees]
    return all(getattr(endpoint, field) == getattr(other, field) for field in fields)


def row(endpoint: Endpoint, vault: Vault) -> StoredEndpoint:
    """An endpoint as it is stored, its secrets sealed by *vault*."""
    records = (getattr(endpoint, section.field) for section in sections.SECTIONS if section.sealed)
    secrets = {name: text for record in records for name, text in settings.secrets(record).items()}
    return StoredEndpoint(
        inference_id=endpoint.inference_id,
        version=endpoint.version,
        task_type=endpoint.task_type.value,
        service=endpoint.service,
        document=sections.written(endpoint),
        secrets={name: vault.seal(text, _place(endpoint.inference_id, name)) for name, text in secrets.items()},
        dimensions=endpoint.dimensions,
        names=frozenset(endpoint.names),
    )


def opened(stored: StoredEndpoint, vault: Vault) -> dict[str, str]:
    """The secrets of a stored endpoint; `INTERNAL` when they were sealed by another vault, changed or moved."""
    return {name: vault.open(text, _place(stored.inference_id, name)) for name, text in stored.secrets.items()}


def from_row(stored: StoredEndpoint, secrets: Mapping[str, str]) -> Resolved:
    """An endpoint as it was stored, with its opened *secrets*; `INVALID` when it cannot be used any more.

    Settings that are no longer known are passed over, so that no old row is lost.
    """
    kind = task_type(stored.task_type)
    service, task = task_of(stored.service, kind)
    context = Context(stored.inference_id, kind, task)
    problems: list[str] = []
    document = {**stored.document}
    for section in sections.SECTIONS:
        if section.sealed:
            record: dict[str, Any] = document.get(section.name) or {}
            document[section.name] = {**record, **secrets}
    values = {
        section.field: section.restore(document.get(section.name), context, problems) for section in sections.SECTIONS
    }
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    endpoint = Endpoint(
        inference_id=stored.inference_id,
        task_type=kind,
        service=stored.service,
        version=stored.version,
        dimensions=stored.dimensions,
        **values,
    )
    return Resolved(endpoint, service, task)


def refuse_unknown(left: Mapping[str, Any], service: Service) -> None:
    """`INVALID` when anything is left over."""
    if left:
        shown = settings.as_java(left)
        raise invalid(f"Configuration contains settings [{shown}] unknown to the [{service.name}] service")


def not_updatable(fields: Mapping[str, Any]) -> InferenceError:
    """The refusal of an update that names *fields* which no update changes."""
    left = settings.as_java(fields)
    return invalid(f"Request contained fields which cannot be updated, remove these fields and try again [{left}]")


def _strange(config: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a configuration that are neither its head nor a section."""
    known = {*_HEAD, *(section.name for section in sections.SECTIONS)}
    return {name: value for name, value in config.items() if name not in known}


def _place(inference_id: str, name: str) -> str:
    return f"{inference_id}/{name}"
