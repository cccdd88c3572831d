"""Which endpoints answer a chat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from played import endpoint

from inferpoint.endpoints.resolved import Resolved, chatting
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.settings import setting, settings

OPENAI = {"api_key": "k", "model_id": "m"}
CANNOT = "has the task_type [completion] and cannot chat"


@settings
class Others:
    """Settings of a chat that a completion does not have."""

    api_key: str = setting("A key.")


def completing() -> Resolved:
    return endpoint(TaskType.COMPLETION, "openai", OPENAI)


def test_an_endpoint_of_chats_is_one_as_it_is() -> None:
    resolved = endpoint(TaskType.CHAT_COMPLETION, "openai", OPENAI)
    assert chatting(resolved) is resolved


def test_an_endpoint_of_completions_is_one_of_chats_in_the_same_queue() -> None:
    """Nothing changes but how an answer is read: the account, the limit and the group are the endpoint's own."""
    resolved = completing()
    chats = chatting(resolved)
    assert chats.endpoint == replace(resolved.endpoint, task_type=TaskType.CHAT_COMPLETION)
    assert chats.task is resolved.service.tasks[TaskType.CHAT_COMPLETION]
    assert (chats.group, chats.rate) == (resolved.group, resolved.rate)


@pytest.mark.parametrize("change", [{}, {"settings": Others}, {"options": Others}], ids=["none", "settings", "options"])
def test_a_service_whose_chats_are_set_otherwise_does_not_chat_by_a_completions_settings(change: Any) -> None:
    """Nor does one that has no chats at all."""
    resolved = completing()
    tasks = {TaskType.COMPLETION: resolved.task}
    if change:
        tasks[TaskType.CHAT_COMPLETION] = replace(resolved.service.tasks[TaskType.CHAT_COMPLETION], **change)
    with pytest.raises(InferenceError) as error:
        chatting(replace(resolved, service=replace(resolved.service, tasks=tasks)))
    assert CANNOT in str(error.value)
