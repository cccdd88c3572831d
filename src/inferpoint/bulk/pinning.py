"""What a job relies on: its endpoint's space and chunking and its source's content, and whether they are as before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint.bulk.job import Pinned, Space
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.space import space

_ELEMENTS = {TaskType.SPARSE_EMBEDDING: "weights", TaskType.COMPLETION: "text"}
_NAMED = 5  # objects in an error
CHANGED = "has changed since"


def pinned(shown: Mapping[str, Any], objects: Mapping[str, str]) -> Pinned:
    """What a job with the endpoint that is *shown* relies on; `INVALID` where no job is to be had of its task."""
    task_type = shown["task_type"]
    if task_type in (TaskType.RERANK, TaskType.CHAT_COMPLETION):
        raise invalid(
            f"[{shown['inference_id']}] is for [{task_type}], which is about one question at a time: a job embeds"
            " texts, or has prompts completed"
        )
    settings = shown["service_settings"]
    return Pinned(
        task_type,
        shown["service"],
        Space(
            space(shown["service"], settings),
            settings.get("dimensions"),
            settings.get("similarity"),
            _ELEMENTS.get(task_type) or settings.get("element_type", "float"),
        ),
        shown.get("chunking_settings"),
        dict(objects),
    )


def refuse_changed(before: Pinned, now: Pinned, *, accept: bool) -> None:
    """`INVALID` or `CONFLICT` unless what a job relied on is as it was; no *accept* covers the space of its vectors."""
    for name, was, is_now in (
        ("task type", before.task_type, now.task_type),
        ("service", before.service, now.service),
        ("model", before.space.model, now.space.model),
        ("dimensions", before.space.dimensions, now.space.dimensions),
        ("similarity", before.space.similarity, now.space.similarity),
        ("element type", before.space.element, now.space.element),
    ):
        if was != is_now:
            raise invalid(
                f"The {name} of the endpoint was [{was}] when the job began and is [{is_now}] now: a sink holds"
                " vectors of one space. Start a job of another name, into another sink"
            )
    if accept:
        return
    if before.chunking != now.chunking:
        raise invalid(
            "The chunking settings of the endpoint have changed since the job began: put them back, or go on with"
            " --accept-changes"
        )
    refuse_changed_objects(before.objects, now.objects)


def refuse_changed_objects(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """`CONFLICT` that names what is new, gone or of other content in the source *now*."""
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if changed:
        names = ", ".join(changed[:_NAMED]) + (f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else "")
        raise InferenceError(
            Kind.CONFLICT,
            f"The source {CHANGED} the job began: {names}. Start a job of another name, or go on with --accept-changes",
        )


def is_changed_source(error: InferenceError) -> bool:
    """Whether *error* says that a source is not what it was, when a job is started or while it is worked on."""
    return error.kind is Kind.CONFLICT and CHANGED in str(error)
