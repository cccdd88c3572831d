"""A service is found by its name, whatever characters a file's name has for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import World

from inferpoint import services
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType


def test_a_name_may_have_hyphens(make_world: Callable[..., World]) -> None:
    """A hyphen of a name is an underscore of its file's; names with underscores stay as they are."""
    assert {"alibabacloud-ai-search", "hugging_face"} <= set(services.names())
    world = make_world(validate=False)
    settings = {"api_key": "k", "service_id": "s", "host": "h.test", "workspace": "w"}
    config = {"service": "alibabacloud-ai-search", "service_settings": settings}
    shown = world.create("e", TaskType.RERANK, config).shown()
    assert shown["service"] == "alibabacloud-ai-search"


@pytest.mark.parametrize(
    "name", ["alibabacloud_ai_search", "alibabacloud-ai_search", "hugging-face", "", "-", "../openai"]
)
def test_a_file_answers_to_one_name(name: str) -> None:
    """Another spelling of the file's name is the name of no service."""
    with pytest.raises(InferenceError) as caught:
        services.find(name)
    assert caught.value.kind is Kind.INVALID
    assert str(caught.value).partition(", did you mean ")[0] == f"Unknown service [{name}]"
