"""What all models in our own process share: their settings, the body of a call, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from inferpoint.errors import Upstream, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.service import Failures, Rates

# Of a model whose id begins so, the weights come with Elasticsearch alone; and models that do the same.
THEIRS = {
    ".elser": "one of SPLADE's form for [sparse_embedding]",
    ".rerank-v1": "a cross-encoder for [rerank]",
    ".multilingual-e5": "a sentence transformer for [text_embedding]",
}


@settings
class Settings:
    """An installed model and how much of the machine it may use."""

    model_id: str = setting("The installed model to run; `inferpoint models list` names them.")
    num_threads: int = setting(
        "How many threads work on one batch.", default=1, choices=(1, 2, 4, 8, 16, 32), at_least=1
    )
    num_allocations: int = setting(
        "How many batches are worked on at the same time.", default=1, at_least=1, at_most=64, updatable=True
    )


def truncate(usual: str) -> Any:
    """The declaration of the setting `truncate`, for tasks that do as *usual* where nothing is set."""
    return setting(
        f"Whether a text too long for the model is an error (none) or loses its end (end); {usual} unless it is set.",
        default=None,
        choices=("none", "end"),
        updatable=True,
    )


def check(model: Settings, _options: object) -> Sequence[str]:
    """Refuse the models that Elasticsearch alone has, with what does the same here."""
    for name, instead in THEIRS.items():
        if model.model_id.startswith(name):
            raise invalid(
                f"The weights of [{model.model_id}] come with Elasticsearch alone; set [model_id] to a model that"
                f" `inferpoint models import` has installed, such as {instead}"
            )
    return ()


def order(task: TaskType, model: Settings, **members: Any) -> Call:
    """A call to the address that the engine keeps for its own models."""
    using = {"num_threads": model.num_threads, "num_allocations": model.num_allocations}
    return json_call(f"local:{task}", {"model": model.model_id, **members, **using})


class _Refusal(msgspec.Struct):
    error: str


def complaint(reply: Reply) -> Upstream:
    """The sentence that our own transport answers."""
    return Upstream(reply.status, parse(reply.body, _Refusal, of="error").error)


def _one_queue(model: Settings) -> str:
    return model.model_id  # however many endpoints run it


RATES: Rates[Settings] = Rates(group=_one_queue)
FAILURES = Failures(complaint=complaint)
