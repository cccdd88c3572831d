"""The sections of an endpoint's configuration, each declared once: read, stored, shown, updated, and seen by whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from typing_extensions import override

from inferpoint.chunking import settings as chunking
from inferpoint.model import settings
from inferpoint.model.cache import CacheSettings
from inferpoint.model.credentials import Credential, resolved
from inferpoint.model.endpoint import Endpoint, TaskType, check_alias
from inferpoint.model.price import Price
from inferpoint.model.wording import not_of_type
from inferpoint.protocols.service import Task

SERVICE_SETTINGS = "service_settings"
TASK_SETTINGS = "task_settings"


class _OptionalSections(TypedDict, total=False):
    task_settings: Mapping[str, Any] | None
    chunking_settings: Mapping[str, Any] | None
    aliases: Sequence[str] | None
    cache: Mapping[str, Any] | None
    price: Mapping[str, Any] | None
    force: bool


class EndpointConfig(_OptionalSections):
    """The configuration of a new endpoint, as the library's `put` takes it."""

    task_type: str
    service: str
    service_settings: Mapping[str, Any]


class EndpointChanges(_OptionalSections, total=False):
    """The sections that an update changes, as the library's `update` takes them."""

    service_settings: Mapping[str, Any] | None


@dataclass(frozen=True)
class Context:
    """The facts that the value of a section may depend on beside its own JSON; None for *credentials* nobody knows."""

    inference_id: str
    task_type: TaskType
    task: Task[Any, Any]
    largest_chunk: int = chunking.LARGEST
    update: bool = False
    credentials: Mapping[str, Credential] | None = None


@dataclass(frozen=True, kw_only=True)
class Section(ABC):
    """One part of an endpoint's configuration; by default no provider sees it, and an update replaces it.

    `name` is its name in requests, in the store and where it is shown; `field` is the attribute of `Endpoint` that
    holds its value. Without one that is `required` nothing is created. Of an `always_object` an update refuses even
    null. The secrets of a `sealed` one, whose value is a record of settings, are stored apart. A change of one that
    the `provider_sees` is tried before it is kept.
    """

    name: str
    field: str
    required: bool = False
    always_object: bool = False
    sealed: bool = False
    provider_sees: bool = False

    @abstractmethod
    def read(self, config: Any, context: Context, problems: list[str], /) -> Any:
        """The value for the JSON of a request, None where it says nothing; adds what is wrong to *problems*."""

    def restore(self, stored: Any, context: Context, problems: list[str], /) -> Any:
        """The value for the JSON that was stored, perhaps by an older version; None where nothing was."""
        return self.read(stored, context, problems)

    def write(self, value: Any) -> Any:
        """The JSON of a value that is not None, to be stored and shown; None to leave it out."""
        return value

    def unsealed(self, stored: Any, _secrets: Mapping[str, str], _context: Context, /) -> Any:
        """The JSON that was stored, with those of the opened *secrets* in it that are this section's."""
        return stored

    def merge(self, _before: Any, config: Any, context: Context, problems: list[str], /) -> Any:
        """The value after an update whose JSON is *config*."""
        return self.read(config, context, problems)

    def known(self, _context: Context, /) -> Sequence[str]:
        """The names that may stand in it, or be changed by an update, where it is an object that declares them."""
        return ()

    def unknown(self, _config: Any, _context: Context, /) -> Mapping[str, Any]:
        """The part of a request's JSON that nobody knows or, in an update, that stays as it was created."""
        return {}


@dataclass(frozen=True, kw_only=True)
class _OfTask(Section):
    """Settings that the task declares, which an update merges; with `guarded` it changes only what is updatable."""

    record: Callable[[Task[Any, Any]], type[Any]]
    guarded: bool = False

    @override
    def read(self, config: Any, context: Context, problems: list[str], /) -> Any:
        record = self.record(context.task)
        values = resolved(record, _object(self.name, config, problems), context.credentials, problems)
        return settings.read(record, values, scope=self.name, problems=problems)

    @override
    def restore(self, stored: Any, context: Context, problems: list[str], /) -> Any:
        values = _object(self.name, stored, problems)
        return settings.read(self.record(context.task), values, scope=self.name, problems=problems)

    @override
    def write(self, value: Any) -> Any:
        return settings.public(value) or None

    @override
    def unsealed(self, stored: Any, secrets: Mapping[str, str], context: Context, /) -> Any:
        return settings.unsealed(self.record(context.task), stored or {}, secrets)

    @override
    def merge(self, before: Any, config: Any, context: Context, problems: list[str], /) -> Any:
        values = resolved(self.record(context.task), config, context.credentials, problems)
        return settings.overlay(before, values, scope=self.name, problems=problems)

    @override
    def known(self, context: Context, /) -> Sequence[str]:
        every = [one for one in settings.declared(self.record(context.task)) if not one.rest]
        return [one.name for one in every if one.updatable or not (self.guarded and context.update)]

    @override
    def unknown(self, config: Any, context: Context, /) -> Mapping[str, Any]:
        return settings.unknown(self.record(context.task), config or {}, updatable=self.guarded and context.update)


class _Chunking(Section):
    """How long texts are cut; defaulted where inputs can be chunked, elsewhere checked and kept without effect."""

    @override
    def read(self, config: Any, context: Context, problems: list[str], /) -> Any:
        if config is None and not context.task_type.embeds:
            return None
        return chunking.read(config, largest=context.largest_chunk, problems=problems)

    @override
    def restore(self, stored: Any, _context: Context, _problems: list[str], /) -> Any:
        return None if stored is None else chunking.accept(stored, stored=True)

    @override
    def write(self, value: Any) -> Any:
        return chunking.shown(value)

    @override
    def merge(self, before: Any, config: Any, context: Context, problems: list[str], /) -> Any:
        return self.read(config, context, problems) if config else before


class _Aliases(Section):
    """Other ids by which an endpoint is found, each once; one of a form that no id has is `INVALID` at once."""

    @override
    def read(self, config: Any, context: Context, problems: list[str], /) -> tuple[str, ...]:
        if config is None:
            return ()
        if not isinstance(config, list):
            problems.append(not_of_type(self.name, config, "List"))
            return ()
        aliases = cast("list[Any]", config)
        for alias in aliases:
            if not isinstance(alias, str):
                problems.append(not_of_type(self.name, alias, "String"))
                return ()
            check_alias(alias)
            if alias == context.inference_id:
                problems.append(f"[{self.name}] must not hold the endpoint's own id [{alias}]")
                return ()
        return tuple(dict.fromkeys(aliases))

    @override
    def write(self, value: Any) -> Any:
        return list(value) or None


@dataclass(frozen=True, kw_only=True)
class _Optional(Section):
    """A `record` of settings that are with us: with the defaults where it is `{}`, none where nothing is said of it."""

    record: type[Any]

    @override
    def read(self, config: Any, context: Context, problems: list[str], /) -> Any:
        if config is None:
            return None
        values = _object(self.name, config, problems)
        if extra := settings.unknown(self.record, values):
            problems.append(f"{self.name.capitalize()} settings contain unknown entries [{settings.as_java(extra)}]")
        return settings.read(self.record, values, scope=self.name, problems=problems)

    @override
    def restore(self, stored: Any, _context: Context, problems: list[str], /) -> Any:
        return None if stored is None else settings.read(self.record, stored, scope=self.name, problems=problems)

    @override
    def write(self, value: Any) -> Any:
        return settings.public(value)


class _Cache(_Optional):
    """The cache of an endpoint's own."""

    @override
    def read(self, config: Any, context: Context, problems: list[str], /) -> CacheSettings | None:
        if config is not None and not context.task_type.embeds:
            problems.append(f"[{self.name}] is for embeddings, and task type [{context.task_type}] makes none")
            return None
        return super().read(config, context, problems)


class _Price(_Optional):
    """What the provider charges; of a model that writes, both what is sent and what is written has its price."""

    @override
    def read(self, config: Any, context: Context, problems: list[str], /) -> Price | None:
        price: Price | None = super().read(config, context, problems)
        if price is not None and (missing := price.missing(generates=context.task_type.generates)):
            problems.append(f"[{self.name}] does not contain the required setting [{missing}]")
        return price


# In the order in which they are read, told of and shown.
SECTIONS: tuple[Section, ...] = (
    _OfTask(
        name=SERVICE_SETTINGS,
        field="settings",
        record=lambda task: task.settings,
        guarded=True,
        required=True,
        always_object=True,
        sealed=True,
        provider_sees=True,
    ),
    _OfTask(
        name=TASK_SETTINGS,
        field="options",
        record=lambda task: task.options,
        always_object=True,
        sealed=True,
        provider_sees=True,
    ),
    _Chunking(name=chunking.SCOPE, field="chunking", always_object=True),
    _Aliases(name="aliases", field="aliases"),
    _Cache(name="cache", field="cache", record=CacheSettings),
    _Price(name="price", field="price", record=Price),
)


def placed(config: Mapping[str, Any], task: Task[Any, Any]) -> Mapping[str, Any]:
    """*config* with the task's settings that stand among the service's where they belong, without those that are null.

    `_services` lists both and does not tell them apart, so Kibana's form puts them there.
    """
    values: dict[str, Any] = config.get(SERVICE_SETTINGS) or {}
    options: dict[str, Any] = config.get(TASK_SETTINGS) or {}
    if not {type(values), type(options)} <= {dict}:  # which is told where each is read
        return config
    strange = settings.unknown(task.settings, values)
    displaced = strange.keys() - settings.unknown(task.options, strange).keys()
    if not displaced:
        return config
    moved = {name: strange[name] for name in displaced if strange[name] is not None}
    kept = {name: value for name, value in values.items() if name not in displaced}
    return {**config, SERVICE_SETTINGS: kept, TASK_SETTINGS: {**moved, **options}}


def written(endpoint: Endpoint) -> dict[str, Any]:
    """The sections of an endpoint as JSON, as they are stored and shown: without secrets and what is empty."""
    values = ((section, getattr(endpoint, section.field)) for section in SECTIONS)
    sections = {section.name: section.write(value) for section, value in values if value is not None}
    return {name: section for name, section in sections.items() if section is not None}


def _object(name: str, config: Any, problems: list[str]) -> Mapping[str, Any]:
    """The object called *name*; absent or null it is empty, anything else is a problem."""
    if config is None:
        return {}
    if not isinstance(config, dict):
        problems.append(not_of_type(name, config, "Map"))
        return {}
    return cast("dict[str, Any]", config)
