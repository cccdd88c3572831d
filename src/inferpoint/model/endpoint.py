"""A stored, configured task and the words for its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inferpoint.errors import Subject, invalid
from inferpoint.model.cache import CacheSettings
from inferpoint.model.price import Price
from inferpoint.model.wording import not_of_type


class TaskType(StrEnum):
    """The tasks that models do."""

    TEXT_EMBEDDING = "text_embedding"
    SPARSE_EMBEDDING = "sparse_embedding"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    COMPLETION = "completion"
    CHAT_COMPLETION = "chat_completion"

    @property
    def embeds(self) -> bool:
        """Whether the results are vectors, so that long inputs may be chunked."""
        return self in _EMBEDDING_LIKE

    @property
    def generates(self) -> bool:
        """Whether a model writes text, which takes longer than anything else."""
        return self in _GENERATING


class Element(StrEnum):
    """What the numbers of a vector are: floats, signed bytes, or eight bits each as a signed byte."""

    FLOAT = "float"
    BYTE = "byte"
    BIT = "bit"

    @property
    def dimensions(self) -> int:
        """How many dimensions one number holds."""
        return 8 if self is Element.BIT else 1


_EMBEDDING_LIKE = (TaskType.TEXT_EMBEDDING, TaskType.SPARSE_EMBEDDING, TaskType.EMBEDDING)
_GENERATING = (TaskType.COMPLETION, TaskType.CHAT_COMPLETION)
_BY_NAME = {kind.value: kind for kind in TaskType}
ANY = "any"
_INFERENCE_ID = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?")
_ALIAS = re.compile(r"[a-z0-9]([a-z0-9_.:/-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)


def task_type(name: str) -> TaskType:
    """The task type called *name*, whatever its case (as Elasticsearch reads it)."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    try:
        return TaskType(name.strip().lower())
    except ValueError:
        raise invalid(f"Unknown task_type [{name}]") from None


def resolved_type(path: TaskType | None, named: Any) -> TaskType | None:
    """The task type on which a request's *path* and the name in its body agree; None when neither says one."""
    if named is None:
        return path
    if not isinstance(named, str):
        raise invalid(not_of_type("task_type", named, "String"), subject=Subject.SETTINGS)
    if named.strip().lower() == ANY:
        raise invalid(f"task_type [{ANY}] is not valid type for inference")
    body = task_type(named)
    if path not in (None, body):
        raise invalid(
            f"Cannot resolve conflicting task_type parameter in the request URL [{path}] and the request body [{body}]"
        )
    return body


def check_inference_id(inference_id: str) -> None:
    """`INVALID` unless *inference_id* is one that Elasticsearch takes."""
    if not _INFERENCE_ID.fullmatch(inference_id):
        raise invalid(
            f"Invalid inference_id; '{inference_id}' can contain lowercase alphanumeric (a-z and 0-9), hyphens or"
            " underscores; must start and end with alphanumeric",
            subject=Subject.REQUEST,
        )


def check_alias(alias: str) -> None:
    """`INVALID` unless *alias* is an id, or has the form in which models are called: `BAAI/bge-m3`, `qwen3:8b`."""
    if not _ALIAS.fullmatch(alias):
        raise invalid(
            f"Invalid alias; '{alias}' can contain alphanumeric (a-z, A-Z and 0-9), hyphens, underscores, dots, colons"
            " or slashes; must start and end with alphanumeric",
            subject=Subject.REQUEST,
        )


@dataclass(frozen=True)
class Endpoint:
    """One inference endpoint.

    `settings` and `options` are records of the task's own classes. `chunking` is None where none apply.
    `dimensions` is the length of its vectors as the validation call measured it. `version` is unique for ever: no
    update, delete or second creation of the same id brings one back, so it can key caches. `aliases` are ids
    by which it is found as well. `cache` is None where it has none of its own, `price` where nobody said what it costs.
    """

    inference_id: str
    task_type: TaskType
    service: str
    settings: Any
    options: Any
    chunking: Any
    version: str
    dimensions: int | None = None
    aliases: tuple[str, ...] = ()
    cache: CacheSettings | None = None
    price: Price | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every id by which the endpoint is found, its own first."""
        return (self.inference_id, *self.aliases)
