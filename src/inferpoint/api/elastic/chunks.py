"""Chunks in requests: the fields that ask for them, and previews of them. Ours; Elasticsearch keeps chunking inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from inferpoint.api.elastic.form import boolean, flag
from inferpoint.errors import Subject, invalid
from inferpoint.model.inference import Cutting

FIELDS = ("chunking_settings", "return_text", "fold")
CHUNKED = "chunked"


def cutting(body: Mapping[str, Any], query: Mapping[str, str]) -> Cutting | None:
    """How a request asks its inputs to be cut; None when it does not ask."""
    asked = boolean(body, CHUNKED, default=flag(query, CHUNKED))
    if asked:
        return asked_for(body)
    problems = [f"Field [{name}] needs [{CHUNKED}] to be true" for name in FIELDS if body.get(name) is not None]
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    return None


def asked_for(body: Mapping[str, Any]) -> Cutting:
    """The fields of a request that is about chunks."""
    given = body.get("chunking_settings")
    if given is not None and not isinstance(given, dict):
        raise invalid("Field [chunking_settings] must be an object", subject=Subject.REQUEST)
    settings = cast("dict[str, Any] | None", given)
    return Cutting(settings, boolean(body, "return_text", default=False), boolean(body, "fold", default=True))
