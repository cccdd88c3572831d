"""Configurations to endpoints that are not kept yet: every problem told at once, in Elasticsearch's words and order."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from inferpoint.chunking import settings as chunking
from inferpoint.engine.endpoints import (
    ALIASES,
    CACHE,
    CHUNKING_SETTINGS,
    SERVICE_SETTINGS,
    TASK_SETTINGS,
    Resolved,
    task_of,
)
from inferpoint.errors import Subject, invalid
from inferpoint.model import settings
from inferpoint.model.cache import CacheSettings
from inferpoint.model.endpoint import Endpoint, TaskType
from inferpoint.protocols.service import Service

_INFERENCE_ID = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?")


def check_inference_id(inference_id: str) -> None:
    """`INVALID` unless *inference_id* is one that Elasticsearch takes."""
    if not _INFERENCE_ID.fullmatch(inference_id):
        raise invalid(
            f"Invalid inference_id; '{inference_id}' can contain lowercase alphanumeric (a-z and 0-9), hyphens or"
            " underscores; must start and end with alphanumeric",
            subject=Subject.REQUEST,
        )


def created(inference_id: str, task_type: TaskType, config: Mapping[str, Any], *, largest_chunk: int) -> Resolved:
    """The endpoint that *config* describes, not yet tried; every problem of its settings is in one `INVALID`.

    Texts and the order of the checks are Elasticsearch's: settings first, then what is left over and unknown.
    """
    service, task = task_of(config.get("service"), task_type)
    if SERVICE_SETTINGS not in config:
        raise invalid(f"Missing required field [{SERVICE_SETTINGS}]")
    problems: list[str] = []
    given = section(config, SERVICE_SETTINGS, problems)
    wanted = section(config, TASK_SETTINGS, problems)
    record = settings.read(task.settings, given, scope=SERVICE_SETTINGS, problems=problems)
    options = settings.read(task.options, wanted, scope=TASK_SETTINGS, problems=problems)
    cut = _chunking(config, task_type, problems, largest_chunk)
    aliases = _aliases(config, inference_id, problems)
    cache = _cache(config, task_type, problems)
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    allowed = ("service", "task_type", SERVICE_SETTINGS, TASK_SETTINGS, CHUNKING_SETTINGS, ALIASES, CACHE)
    refuse_unknown({name: value for name, value in config.items() if name not in allowed}, service)
    refuse_unknown(settings.unknown(task.settings, given), service)
    refuse_unknown(settings.unknown(task.options, wanted), service)
    task.check(record, options)
    endpoint = Endpoint(
        inference_id, task_type, service.name, record, options, cut, _version(), aliases=aliases, cache=cache
    )
    return Resolved(endpoint, service, task)


def updated(resolved: Resolved, config: Mapping[str, Any], *, largest_chunk: int) -> Resolved:
    """*resolved* with what *config* changes, not yet tried.

    Chunking settings, aliases and cache are replaced, other settings merged.
    """
    problems: list[str] = []
    given = section(config, SERVICE_SETTINGS, problems)
    wanted = section(config, TASK_SETTINGS, problems)
    if not problems:
        refuse_unknown(settings.unknown(resolved.task.settings, given, updatable=True), resolved.service)
        refuse_unknown(settings.unknown(resolved.task.options, wanted), resolved.service)
    before = resolved.endpoint
    record = settings.overlay(before.settings, given, scope=SERVICE_SETTINGS, problems=problems)
    options = settings.overlay(before.options, wanted, scope=TASK_SETTINGS, problems=problems)
    cut = before.chunking
    if config.get(CHUNKING_SETTINGS):
        cut = _chunking(config, before.task_type, problems, largest_chunk)
    aliases = _aliases(config, before.inference_id, problems) if ALIASES in config else before.aliases
    cache = _cache(config, before.task_type, problems) if CACHE in config else before.cache
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    resolved.task.check(record, options)
    after = replace(before, settings=record, options=options, chunking=cut, aliases=aliases, cache=cache)
    return resolved if after == before else replace(resolved, endpoint=replace(after, version=_version()))


def section(config: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    """The object called *name*; absent or null it is empty, anything else is a problem."""
    value = config.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        problems.append(_not_of_type(name, value, "Map"))
        return {}
    return value  # type: ignore[return-value]


def refuse_unknown(left: Mapping[str, Any], service: Service) -> None:
    """`INVALID` when anything is left over."""
    if left:
        shown = settings.as_java(left)
        raise invalid(f"Configuration contains settings [{shown}] unknown to the [{service.name}] service")


def _chunking(config: Mapping[str, Any], task_type: TaskType, problems: list[str], largest: int) -> Any:
    """Defaulted where inputs can be chunked; elsewhere checked and kept when given, and without effect."""
    given = config.get(CHUNKING_SETTINGS)
    if given is None and not task_type.embeds:
        return None
    return chunking.read(given, largest=largest, problems=problems)


def _aliases(config: Mapping[str, Any], inference_id: str, problems: list[str]) -> tuple[str, ...]:
    """The other ids that *config* gives, each once; one of a form that no id has is `INVALID` at once."""
    given = config.get(ALIASES)
    if given is None:
        return ()
    if not isinstance(given, list):
        problems.append(_not_of_type(ALIASES, given, "List"))
        return ()
    found = cast("list[Any]", given)
    for alias in found:
        if not isinstance(alias, str):
            problems.append(_not_of_type(ALIASES, alias, "String"))
            return ()
        check_inference_id(alias)
        if alias == inference_id:
            problems.append(f"[{ALIASES}] must not hold the endpoint's own id [{alias}]")
            return ()
    return tuple(dict.fromkeys(found))


def _cache(config: Mapping[str, Any], task_type: TaskType, problems: list[str]) -> CacheSettings | None:
    """The cache that *config* asks for: one with the defaults where it says no more, none where it says nothing."""
    if config.get(CACHE) is None:
        return None
    if not task_type.embeds:
        problems.append(f"[{CACHE}] is for embeddings, and task type [{task_type}] makes none")
        return None
    given = section(config, CACHE, problems)
    if extra := settings.unknown(CacheSettings, given):
        problems.append(f"Cache settings contain unknown entries [{settings.as_java(extra)}]")
    return settings.read(CacheSettings, given, scope=CACHE, problems=problems)


def _not_of_type(name: str, value: Any, wanted: str) -> str:
    shown = settings.as_java(value)
    return f"field [{name}] is not of the expected type. The value [{shown}] cannot be converted to a [{wanted}]"


def _version() -> str:
    return uuid.uuid4().hex
