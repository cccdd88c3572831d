"""The purposes of embeddings in a provider's own words."""

from __future__ import annotations

from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.settings import setting, settings

PURPOSES = frozenset({InputType.CLASSIFICATION, InputType.CLUSTERING})


@settings
class Translation:
    """The provider's words for purposes."""

    ingest: str | None = setting("The word for texts that are stored.", default=None)
    search: str | None = setting("The word for queries.", default=None)
    classification: str | None = setting("The word for texts to be classified.", default=None)
    clustering: str | None = setting("The word for texts to be clustered.", default=None)


@settings
class Purposes:
    """What is filled in for `${input_type}`."""

    translation: Translation | None = setting("The provider's words for purposes.", default=None)
    default: str = setting("The word for all others.", default="")


def word(request: InferenceRequest, purposes: Purposes | None) -> str:
    """The provider's word for the purpose of a request."""
    known = purposes or Purposes()
    word = getattr(known.translation, request.input_type, None) if request.input_type else None
    return known.default if word is None else word
