"""The declarations of settings that most services' embeddings have, each made once, and what an embedding is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inferpoint.model.requests import InferenceRequest
from inferpoint.model.settings import setting

SIMILARITIES = ("cosine", "dot_product", "l2_norm")


def similarity() -> Any:
    """The declaration of the setting `similarity`."""
    return setting("How the vectors compare.", default=None, choices=SIMILARITIES)


def dimensions() -> Any:
    """The declaration of the setting `dimensions`, where it is sent to the provider."""
    return setting("The length of vectors to ask for.", default=None, at_least=1)


def dimensions_told() -> Any:
    """The declaration of the setting `dimensions`, where the model alone decides, and the trial only compares."""
    return setting("The length of the model's vectors, which is not sent.", default=None, at_least=1)


def embedding_type(*types: str) -> Any:
    """The declaration of the setting `embedding_type`, floats unless another of the *types* is set."""
    return setting("The type of the vectors' numbers.", default="float", choices=types, any_case=True)


def input_type(purposes: Iterable[str]) -> Any:
    """The declaration of the option `input_type`, which may be one of the *purposes*."""
    return setting(
        "What an embedding is for, where a request does not say it.",
        default=None,
        choices=tuple(purposes),
        updatable=True,
    )


def purpose(request: InferenceRequest, options: Any, words: Mapping[str, str], unsaid: str | None = None) -> str | None:
    """What an embedding is for, in a provider's *words*: as the request says, the endpoint, or else *unsaid*.

    Where endpoints say nothing of it, *options* have no `input_type`.
    """
    name = request.input_type or getattr(options, "input_type", None) or unsaid
    return words[name] if name else None
