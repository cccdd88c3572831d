"""The table of chats' fields by services: made by asking each of them; it has all that chat, and nothing is silent."""

from __future__ import annotations

from pathlib import Path

import chat_fields
import pytest
from chat_fields import DROPPED, FIELDS, MAPPED, REFUSED, SENT, SILENT, Asked, Field

from inferpoint import services
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType

HERE = Path(__file__).parent
EVERY = list(chat_fields.asked(HERE))
each = pytest.mark.parametrize("asked", EVERY, ids=lambda one: one.label)


def field(title: str) -> Field:
    return next(one for one in FIELDS if one.title == title)


def test_every_service_that_chats_is_in_the_table() -> None:
    """With each kind of models that it has."""
    chats = {name for name in services.names() if TaskType.CHAT_COMPLETION in services.find(name).tasks}
    assert {asked.exchange.of.service.name for asked in EVERY} == chats


@each
def test_no_field_is_left_out_without_a_word(asked: Asked) -> None:
    """Whatever is asked reaches the provider, or is told to be left aside, or is refused; but for foreign thoughts."""
    silent = [one.title for one in FIELDS if asked.outcome(one) == SILENT]
    assert silent in ([], ["`reasoning` of an earlier turn"])


@each
def test_what_is_refused_is_named(asked: Asked) -> None:
    """The error of a field that a provider cannot be told has its name in it."""
    heeded = asked.exchange.task.hints(asked.settings, asked.exchange.origin)
    for one in FIELDS:
        if asked.outcome(one) == REFUSED:
            with pytest.raises(InferenceError, match=one.name):
                asked.call(one.request(), heeded)


@pytest.mark.parametrize(
    ("label", "title", "outcome"),
    [
        ("`openai`", "`temperature`", SENT),
        ("`anthropic`", "`seed`", REFUSED),
        ("`anthropic`", "`max_completion_tokens`", MAPPED),
        ("`anthropic`", "`thinking` with a budget", SENT),
        ("`groq`", "`thinking` with a budget", DROPPED),
        ("`mistral`", "`prompt_cache_key`", DROPPED),
        ("`amazonbedrock` of Claude", "`cache_control` of a text", MAPPED),
        ("`amazonbedrock` of others", "an image by its address", REFUSED),
    ],
)
def test_what_is_known_is_found(label: str, title: str, outcome: str) -> None:
    """What other tests show of single fields is what the table says of them."""
    asked = next(one for one in EVERY if one.label == label)
    assert asked.outcome(field(title)) == outcome
