"""An endpoint together with the service and the task it is an endpoint of."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import msgspec

from inferpoint import services
from inferpoint.endpoints import sections
from inferpoint.errors import invalid
from inferpoint.model import credentials, settings
from inferpoint.model.chat import Conversation, said
from inferpoint.model.credentials import Credential
from inferpoint.model.endpoint import Element, Endpoint, TaskType
from inferpoint.model.quota import UNITS, Rate
from inferpoint.model.requests import Documents, InferenceRequest, InputType, Texts
from inferpoint.model.secrets import Secrets
from inferpoint.model.wording import unknown_settings
from inferpoint.protocols.service import RateLimit, Service, Task

_TEXTS = ("how big",)
_PROBES: Mapping[TaskType, Texts | Documents | Conversation] = {
    **dict.fromkeys(TaskType, _TEXTS),
    TaskType.RERANK: Documents("test query", _TEXTS),
    TaskType.CHAT_COMPLETION: said(_TEXTS[0]),
}


@final
@dataclass(frozen=True)
class Resolved:
    """An endpoint with the service and the task it is an endpoint of."""

    endpoint: Endpoint
    service: Service
    task: Task[Any, Any]

    @cached_property
    def rate(self) -> Rate:
        """The limits of the endpoint's rate group, as the user set them or by the service's default."""
        limit: RateLimit = getattr(self.endpoint.settings, "rate_limit", None) or RateLimit()
        rate = Rate(**{unit: getattr(limit, f"{unit}_per_minute") for unit in UNITS}, burst=limit.burst)
        return rate if rate.requests is not None else msgspec.structs.replace(rate, requests=self.task.rates.default)

    @cached_property
    def group(self) -> str:
        """The queue that the endpoint's calls wait in, as a digest: what makes a group holds keys."""
        rate = None if self.task.rates.mixed else self.rate
        parts: Hashable = (self.service.name, self.task.rates.group(self.endpoint.settings), rate)
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @cached_property
    def secrets(self) -> Secrets:
        """The endpoint's secrets, to be kept out of what a provider says."""
        return Secrets(settings.hidden(self.endpoint.settings) + settings.hidden(self.endpoint.options))

    @property
    def credentials(self) -> Sequence[Credential]:
        """The named credentials that the endpoint refers to."""
        return [*credentials.of(self.endpoint.settings).values(), *credentials.of(self.endpoint.options).values()]

    @property
    def element(self) -> Element:
        """What the numbers of the endpoint's vectors are."""
        return self.task.element(self.endpoint.settings)

    @property
    def numbers(self) -> int | None:
        """How many numbers each of the endpoint's vectors has, once that is known."""
        dimensions = self.endpoint.dimensions
        return None if dimensions is None else dimensions // self.element.dimensions

    @property
    def max_input_tokens(self) -> int | None:
        """The tokens beyond which an input is cut before it is sent, as the user or the service's task says."""
        name = "max_input_tokens"
        return getattr(self.endpoint.settings, name, None) or self.task.fixed.get(name)

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences about the settings that the endpoint's owner should read."""
        return self.task.check(self.endpoint.settings, self.endpoint.options)

    @property
    def probe(self) -> InferenceRequest:
        """The request that Elasticsearch makes of an endpoint of this task type to see that it works.

        An embedding is asked for as for what is ingested, which is what most of an endpoint's are for.
        """
        kind = self.endpoint.task_type
        return InferenceRequest(_PROBES[kind], InputType.INGEST if kind.embeds else None)

    def shown(self) -> dict[str, Any]:
        """The endpoint as everybody may see it, in the form of Elasticsearch's GET."""
        written = sections.written(self.endpoint)
        return {
            "inference_id": self.endpoint.inference_id,
            "task_type": self.endpoint.task_type.value,
            "service": self.endpoint.service,
            **written,
            sections.SERVICE_SETTINGS: {**written.get(sections.SERVICE_SETTINGS, {}), **self._facts()},
        }

    def _facts(self) -> dict[str, Any]:
        """The members of the service settings that Elasticsearch shows though nobody has to set them."""
        facts = dict(self.task.fixed)
        if self.endpoint.dimensions is not None:
            facts["dimensions"] = self.endpoint.dimensions
            if self.task.similarity:
                facts["similarity"] = self.task.similarity(self.endpoint.settings)
        if limits := _shown(self.rate):
            facts["rate_limit"] = limits
        return facts


def chatting(resolved: Resolved) -> Resolved:
    """*resolved* as an endpoint of chats: itself, or one of completions, where its service has both in one form.

    `INVALID` for every other, which cannot answer a chat.
    """
    kind, own = resolved.endpoint.task_type, resolved.task
    if kind is TaskType.CHAT_COMPLETION:
        return resolved
    task = resolved.service.tasks.get(TaskType.CHAT_COMPLETION) if kind is TaskType.COMPLETION else None
    if task is None or (task.settings, task.options) != (own.settings, own.options):
        problem = f"The endpoint [{resolved.endpoint.inference_id}] has the task_type [{kind}] and cannot chat"
        raise invalid(f"{problem}: a chat needs an endpoint of [{TaskType.CHAT_COMPLETION}] or [{TaskType.COMPLETION}]")
    task.check(resolved.endpoint.settings, resolved.endpoint.options)
    return Resolved(replace(resolved.endpoint, task_type=TaskType.CHAT_COMPLETION), resolved.service, task)


def task_of(name: Any, task_type: TaskType) -> tuple[Service, Task[Any, Any]]:
    """The service called *name* and its task; `INVALID` when there is no such service, or it does not do that."""
    if name is None:
        raise invalid("Inference endpoint configuration is missing the [service] setting")
    service = services.find(name if isinstance(name, str) else settings.as_java(name))
    if task_type not in service.tasks:
        instead = ", ".join(service.tasks)
        problem = f"The [{service.name}] service does not support task type [{task_type.value}], but [{instead}]"
        raise invalid(problem)
    return service, service.tasks[task_type]


def refuse_unknown(left: Mapping[str, Any], service: Service, of: str, names: Iterable[str]) -> None:
    """`INVALID` when anything is *left* over beside the *names* that *of* takes."""
    if left:
        raise invalid(unknown_settings(left, service.name, of, names))


def _shown(rate: Rate) -> dict[str, int]:
    """A rate as Elasticsearch shows it, with what Elasticsearch does not know only where that was set."""
    shown = {f"{unit}_per_minute": limit for unit, limit in rate.present()}
    return shown if rate.burst == Rate().burst else {**shown, "burst": rate.burst}
