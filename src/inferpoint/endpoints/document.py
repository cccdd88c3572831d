"""An endpoint as a document of sections: from a request's configuration, and to the store and back.

Texts and the order of the checks are Elasticsearch's; every problem of the settings is told at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from inferpoint.endpoints import sections
from inferpoint.endpoints.resolved import Resolved, refuse_unknown, task_of
from inferpoint.endpoints.sections import Context, Section
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model import credentials, settings
from inferpoint.model.credentials import Credential, missing, named
from inferpoint.model.endpoint import Endpoint, TaskType, task_type
from inferpoint.model.wording import not_of_type
from inferpoint.protocols.embedding_settings import SIMILARITIES
from inferpoint.protocols.service import Service, Task
from inferpoint.storage.rows import StoredEndpoint, place
from inferpoint.storage.vault import Vault

Credentials = Mapping[str, Credential]

_FORCE = "force"
_ID = "inference_id"
_HEAD = ("service", "task_type", _FORCE)  # what a configuration says beside its sections


def parse(
    inference_id: str,
    kind: TaskType,
    config: Mapping[str, Any],
    *,
    largest_chunk: int,
    known: Credentials | None = None,
) -> Resolved:
    """The endpoint that *config* describes, not yet tried; every problem of its settings is in one `INVALID`.

    What is wrong with settings is told first, then what is left over and unknown. What was shown of an endpoint is a
    configuration, too, with the facts in it that nobody sets. Without the credentials that are *known* a reference to
    one stands for itself.
    """
    if config.get(_ID, inference_id) != inference_id:
        raise invalid(f"The request is for [{inference_id}], and its body for [{settings.as_java(config[_ID])}]")
    service, task = task_of(config.get("service"), kind)
    config, facts = _without_facts(config, task)
    if absent := [one.name for one in sections.SECTIONS if one.required and one.name not in config]:
        raise invalid(f"Missing required field [{absent[0]}]")
    config = sections.placed(config, task)
    context = Context(inference_id, kind, task, largest_chunk, credentials=known)
    values = _values(config, context)
    refuse_unknown(_strange(config), service, "an endpoint", _members())
    for section in sections.SECTIONS:
        _refuse_strange(section, config.get(section.name), context, service)
    endpoint = Endpoint(
        inference_id=inference_id,
        task_type=kind,
        service=service.name,
        version=uuid.uuid4().hex,
        dimensions=facts.get("dimensions"),
        **values,
    )
    refuse_strange_addresses(endpoint)
    task.check(endpoint.settings, endpoint.options)
    if "similarity" in facts and task.similarity and facts["similarity"] != task.similarity(endpoint.settings):
        compared = task.similarity(endpoint.settings)
        raise invalid(f"[similarity] is [{facts['similarity']}], and that of this endpoint is [{compared}]")
    return Resolved(endpoint, service, task)


def _values(config: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The values of all sections by their fields; every problem is in one `INVALID`."""
    problems: list[str] = []
    values = {section.field: section.read(config.get(section.name), context, problems) for section in sections.SECTIONS}
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    return values


def forced(config: Mapping[str, Any]) -> bool:
    """Whether *config* says openly that an alias may come to stand for other vectors."""
    if not isinstance(force := config.get(_FORCE, False), bool):
        raise invalid(not_of_type(_FORCE, force, "Boolean"), subject=Subject.SETTINGS)
    return force


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


def merge(
    resolved: Resolved, config: Mapping[str, Any], *, largest_chunk: int, known: Credentials | None = None
) -> Resolved:
    """*resolved* with the sections that *config* changes, not yet tried; itself where nothing changes."""
    before, task = resolved.endpoint, resolved.task
    context = Context(before.inference_id, before.task_type, task, largest_chunk, update=True, credentials=known)
    named = [section for section in sections.SECTIONS if section.name in config]
    for section in named:
        _refuse_strange(section, config[section.name], context, resolved.service)
    problems: list[str] = []
    values = {
        section.field: section.merge(getattr(before, section.field), config[section.name], context, problems)
        for section in named
    }
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    after = replace(before, **values)
    _refuse_moved(before, after, config)
    refuse_strange_addresses(after)
    task.check(after.settings, after.options)
    return resolved if after == before else replace(resolved, endpoint=replace(after, version=uuid.uuid4().hex))


def without(resolved: Resolved, aliases: Collection[str]) -> Resolved:
    """*resolved* in a new version that has none of the *aliases*."""
    left = tuple(alias for alias in resolved.endpoint.aliases if alias not in aliases)
    return replace(resolved, endpoint=replace(resolved.endpoint, aliases=left, version=uuid.uuid4().hex))


def same_to_providers(endpoint: Endpoint, other: Endpoint) -> bool:
    """Whether nothing that a provider sees tells two versions of an endpoint apart."""
    fields = [section.field for section in sections.SECTIONS if section.provider_sees]
    return all(getattr(endpoint, field) == getattr(other, field) for field in fields)


def row(endpoint: Endpoint, vault: Vault) -> StoredEndpoint:
    """An endpoint as it is stored, its secrets sealed by *vault*."""
    secrets = {name: text for record in _sealed(endpoint) for name, text in settings.sealable(record).items()}
    return StoredEndpoint(
        inference_id=endpoint.inference_id,
        version=endpoint.version,
        task_type=endpoint.task_type.value,
        service=endpoint.service,
        document=sections.written(endpoint),
        secrets={
            name: text.reference
            if isinstance(text, Credential)
            else vault.seal(text, place(endpoint.inference_id, name))
            for name, text in secrets.items()
        },
        dimensions=endpoint.dimensions,
        names=frozenset(endpoint.names),
    )


def sealed(stored: StoredEndpoint, endpoint: Endpoint, vault: Vault) -> StoredEndpoint:
    """*stored*, the row of *endpoint*, with nothing in the open that belongs sealed; settings nobody knows stay."""
    whole = row(endpoint, vault)
    if whole.secrets.keys() <= stored.secrets.keys():
        return stored
    names = [section.name for section in sections.SECTIONS if section.sealed]
    shown = {name: {**stored.document.get(name, {}), **whole.document.get(name, {})} for name in names}
    document = {**stored.document, **{name: record for name, record in shown.items() if record}}
    return replace(stored, document=document, secrets={**whole.secrets, **stored.secrets})


def refuse_other_key(rows: Sequence[StoredEndpoint], vault: Vault) -> None:
    """`INTERNAL` when *vault* has another key than the one by which the secrets of all *rows* were sealed."""
    texts = [(row.inference_id, name, text) for row in rows for name, text in row.secrets.items()]
    sealed = [one for one in texts if named(one[2]) is None]
    if sealed and not any(vault.sealed(text) for _, _, text in sealed):
        inference_id, name, text = sealed[0]
        vault.open(text, place(inference_id, name))


def from_row(stored: StoredEndpoint, vault: Vault, known: Credentials) -> Resolved:
    """An endpoint as it was stored; `INVALID` when it cannot be used any more, `INTERNAL` when a secret does not open.

    Settings that are no longer known are passed over, so that no old row is lost.
    """
    if stored.damage:
        raise InferenceError(Kind.INTERNAL, stored.damage)
    secrets = {name: _opened(stored, name, vault, known) for name in stored.secrets}
    kind = task_type(stored.task_type)
    service, task = task_of(stored.service, kind)
    context = Context(stored.inference_id, kind, task)
    problems: list[str] = []
    values = {
        section.field: section.restore(
            section.unsealed(stored.document.get(section.name), secrets, context), context, problems
        )
        for section in sections.SECTIONS
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


def _opened(stored: StoredEndpoint, name: str, vault: Vault, known: Credentials) -> str:
    """The secret of the setting called *name*: sealed in the row itself, or one of the *known* credentials."""
    text = stored.secrets[name]
    credential = named(text)
    if credential is None:
        return vault.open(text, place(stored.inference_id, name))
    if credential not in known:
        raise invalid(missing(credential))
    return known[credential]


def _refuse_strange(section: Section, config: Any, context: Context, service: Service) -> None:
    """`INVALID` when anything in the JSON of a *section* is unknown, or in an update never changes."""
    of = f"[{section.name}] of {'an update of ' if context.update else ''}[{context.task_type}]"
    refuse_unknown(section.unknown(config, context), service, of, section.known(context))


def not_updatable(fields: Mapping[str, Any]) -> InferenceError:
    """The refusal of an update that names *fields* which no update changes."""
    left = settings.as_java(fields)
    return invalid(f"Request contained fields which cannot be updated, remove these fields and try again [{left}]")


def _without_facts(config: Mapping[str, Any], task: Task[Any, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """*config* without its own id, and without those facts, given apart, that are shown in it and no settings.

    What does not name its id was not shown but written, and a fact in it is a mistake.
    """
    record: Any = config.get(sections.SERVICE_SETTINGS)
    if _ID not in config or not isinstance(record, dict):
        return config, {}
    config = {name: value for name, value in config.items() if name != _ID}
    shown: dict[str, Any] = settings.unknown(task.settings, cast("dict[str, Any]", record))
    facts = {name: value for name, value in shown.items() if _is_fact(name, value, task)}
    left = {name: value for name, value in cast("dict[str, Any]", record).items() if name not in facts}
    return {**config, sections.SERVICE_SETTINGS: left}, facts


def _is_fact(name: str, value: Any, task: Task[Any, Any]) -> bool:
    """Whether a member of service settings is one of those that every endpoint of *task* is shown with."""
    if name in task.fixed:
        return task.fixed[name] == value
    if task.similarity is None:
        return False
    return value in SIMILARITIES if name == "similarity" else name == "dimensions" and type(value) is int and value > 0


def _strange(config: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a configuration that are neither its head nor a section."""
    known = _members()
    return {name: value for name, value in config.items() if name not in known}


def _members() -> tuple[str, ...]:
    return (*_HEAD, *(section.name for section in sections.SECTIONS))


def _sealed(endpoint: Endpoint) -> list[Any]:
    """The records of settings in an endpoint of which some are kept sealed."""
    return [getattr(endpoint, section.field) for section in sections.SECTIONS if section.sealed]


def _refuse_moved(before: Endpoint, after: Endpoint, config: Mapping[str, Any]) -> None:
    """`INVALID` when an update has an address changed and what is stored to go there left as it is.

    Who may change an address and cannot read a secret could else have it sent to a place of their own.
    """
    pairs = zip(_sealed(before), _sealed(after), strict=True)
    moved = [name for record, changed in pairs for name in settings.moved(record, changed)]
    named: list[Mapping[str, Any]] = [config.get(section.name) or {} for section in sections.SECTIONS if section.sealed]
    staying = [
        name for record, values in zip(_sealed(before), named, strict=True) for name in settings.staying(record, values)
    ]
    if moved and staying:
        raise invalid(
            f"[{sections.SERVICE_SETTINGS}] An address changes only together with what is sent to it: an update of"
            f" [{', '.join(moved)}] must contain [{', '.join(staying)}] as well",
            subject=Subject.SETTINGS,
        )


def refuse_strange_addresses(endpoint: Endpoint) -> None:
    """`INVALID` when a credential would go to an address of a user's own that it may not be sent to."""
    records = _sealed(endpoint)
    addresses = [address for record in records for address in settings.addresses(record)]
    for credential in (one for record in records for one in credentials.of(record).values()):
        if wrong := credentials.problem(credential, addresses):
            raise invalid(wrong, subject=Subject.SETTINGS)
