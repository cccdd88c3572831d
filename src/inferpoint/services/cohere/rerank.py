"""Rankings of the API's second version, which answers no texts. https://docs.cohere.com/reference/rerank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inferpoint.model.requests import InferenceRequest
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import rerank
from inferpoint.services.cohere.account import FAILURES, RATES, Account


@settings
class Options(rerank.Options):
    """The settings that may change from request to request."""

    max_chunks_per_doc: int | None = setting(
        "The most chunks into which a long document is cut.", default=None, at_least=1, updatable=True
    )


def body(request: InferenceRequest, model: Account, options: Options) -> Mapping[str, Any]:
    """Cohere's own body."""
    return {**rerank.asked(request, model, options), "max_chunks_per_doc": options.max_chunks_per_doc}


RERANK = replace(
    rerank.rerank("Cohere rerank", Account, RATES, path="/v2/rerank", body=body), options=Options, failures=FAILURES
)
