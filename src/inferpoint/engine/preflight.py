"""Whether a request fits its endpoint: what may be asked of it, and the endpoint as this request wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from inferpoint.endpoints.resolved import Resolved, refuse_unknown
from inferpoint.endpoints.sections import TASK_SETTINGS
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model import settings
from inferpoint.model.chat import Conversation
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import Contents, Documents, InferenceRequest, InputType, Media, Tokens

_OF_TOKENS = (TaskType.TEXT_EMBEDDING, TaskType.EMBEDDING)
_EVERYWHERE = frozenset({InputType.INGEST, InputType.SEARCH})


def prepared(resolved: Resolved, request: InferenceRequest, kind: TaskType | None) -> Resolved:
    """*resolved* with the model and the options of *request*; `INVALID` when it cannot do what is asked.

    *kind* is the task type that the caller takes the endpoint to have, if it says so.
    """
    stored = resolved.endpoint.task_type
    if kind not in (None, stored):
        raise _other_type(kind, stored)
    if type(request.input) is not _input_class(stored):
        _refuse_other_input(resolved, request)
    if stored is TaskType.COMPLETION and len(request.texts) != 1 and not resolved.task.several:
        raise invalid(f"{resolved.task.label} only accepts 1 input")
    if request.chunking is not None and not (stored.embeds and isinstance(request.input, tuple)):
        raise invalid(f"Inputs cannot be chunked for task type [{stored}]")
    if request.partial and not stored.embeds:
        raise invalid(f"Results cannot be partial for task type [{stored}]")
    if request.input_type is not None:
        _refuse_input_type(resolved, request.input_type)
    if type(request.input) is Documents:
        _refuse_too_many(resolved, request.input)
    elif type(request.input) is Conversation:
        resolved = _with_model(resolved, request.input)
    return _with_options(resolved, request.options) if request.options else resolved


def _with_options(resolved: Resolved, requested: Mapping[str, Any]) -> Resolved:
    problems: list[str] = []
    requested, left = settings.gathered(resolved.task.options, requested)
    names = [option.name for option in settings.declared(resolved.task.options) if not option.rest]
    refuse_unknown(left, resolved.service, f"[{TASK_SETTINGS}] of [{resolved.endpoint.task_type}]", names)
    options = settings.overlay(resolved.endpoint.options, requested, scope=TASK_SETTINGS, problems=problems)
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    resolved.task.check(resolved.endpoint.settings, options)
    return replace(resolved, endpoint=replace(resolved.endpoint, options=options))


def _other_type(kind: TaskType | None, stored: TaskType) -> InferenceError:
    unified = " for unified API" if kind is TaskType.CHAT_COMPLETION else ""
    return invalid(
        f"Incompatible task_type{unified}, the requested type [{kind}] does not match the model type [{stored}]"
    )


def _with_model(resolved: Resolved, conversation: Conversation) -> Resolved:
    """The endpoint with the model that a chat asks for, where the service says how."""
    model = conversation.model
    if model is None or resolved.task.with_model is None:
        return resolved
    settings_of_model = resolved.task.with_model(resolved.endpoint.settings, model)
    return replace(resolved, endpoint=replace(resolved.endpoint, settings=settings_of_model))


def _refuse_other_input(resolved: Resolved, request: InferenceRequest) -> None:
    """Inputs of another kind are taken only where they are tokens for an embedding, or media that it takes."""
    kind = resolved.endpoint.task_type
    if isinstance(request.input, Contents) and kind is TaskType.EMBEDDING:
        _refuse_media(resolved, request.input)
        return
    if isinstance(request.input, Tokens) and kind in _OF_TOKENS:
        return
    if kind is TaskType.CHAT_COMPLETION:
        raise chat_only(resolved)
    raise invalid(f"The input of a request to [{resolved.endpoint.inference_id}] is not one for task type [{kind}]")


def _refuse_media(resolved: Resolved, contents: Contents) -> None:
    taken, name = resolved.task.media(resolved.endpoint.settings), resolved.service.name
    if not taken:
        raise invalid(f"The {name} service does not support embedding with non-text inputs")
    mediums = {content.medium for content in contents.inputs if isinstance(content, Media)}
    if others := ", ".join(sorted(mediums - taken)):
        problem = f"The {name} service does not support embedding with inputs of type [{others}]"
        raise invalid(f"{problem}; beside text it takes [{', '.join(sorted(taken))}]")


def _input_class(kind: TaskType) -> type[Any]:
    """The class of the inputs that a task type takes."""
    match kind:
        case TaskType.TEXT_EMBEDDING | TaskType.SPARSE_EMBEDDING | TaskType.EMBEDDING | TaskType.COMPLETION:
            return tuple
        case TaskType.RERANK:
            return Documents
        case TaskType.CHAT_COMPLETION:
            return Conversation
        case _:
            assert_never(kind)


def _refuse_too_many(resolved: Resolved, documents: Documents) -> None:
    """A ranking whose scores depend on the other documents is not split."""
    if resolved.task.independent:
        return
    most, count = resolved.task.rates.limits(resolved.endpoint.settings).inputs, len(documents.texts)
    if most is not None and count > most:
        raise invalid(
            f"Field [input] has [{count}] documents, and one call of the provider ranks at most [{most}];"
            " a ranking cannot be split"
        )


def refuse_many(count: int, most: int, noun: str) -> None:
    """`INVALID` for more inputs or chunks than a request may have, called by their *noun*."""
    if count > most:
        raise invalid(f"The request has [{count}] {noun}, more than the [{most}] that are taken")


def chat_only(resolved: Resolved) -> InferenceError:
    """The error of plain input to an endpoint of chats, with the address that takes what a chat takes."""
    inference_id = resolved.endpoint.inference_id
    plain = ", ".join(kind for kind in resolved.service.tasks if _input_class(kind) is tuple)
    return invalid(
        f"Inference entity [{inference_id}] does not support task type [{TaskType.CHAT_COMPLETION}] for inference,"
        f" the task type must be one of [{plain}]. The task type for the inference entity is chat_completion,"
        f" please use the _inference/chat_completion/{inference_id}/_stream URL."
    )


def _refuse_input_type(resolved: Resolved, input_type: InputType) -> None:
    if input_type in _EVERYWHERE | resolved.task.input_types:
        return
    raise invalid(
        f"Invalid input_type [{input_type}]. The input_type option is not supported by this service",
        subject=Subject.SETTINGS,
    )


def cannot_stream(resolved: Resolved) -> InferenceError:
    """The error of a stream from a task that has none, with those tasks of the service that have one."""
    streaming = [kind.value for kind, task in resolved.service.tasks.items() if task.reader is not None]
    problem = f"Streaming is not allowed for service [{resolved.service.name}]"
    if not streaming:
        return InferenceError(Kind.UNSUPPORTED, f"{problem}.")
    kind = resolved.endpoint.task_type
    return InferenceError(Kind.UNSUPPORTED, f"{problem} and task [{kind}]. Supported tasks: [{','.join(streaming)}]")
