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


def test_elser_is_found_and_says_what_is_missing(make_world: Callable[..., World]) -> None:
    """The models on our own machine have its name, but not its weights."""
    world = make_world(validate=False)
    config = {"service": "elser", "service_settings": {"num_allocations": 1, "num_threads": 1}, "task_settings": {}}
    with pytest.raises(InferenceError) as caught:
        world.create("e", TaskType.SPARSE_EMBEDDING, config)
    assert str(caught.value).startswith(
        "The weights of [.elser_model_2] come with Elasticsearch alone; set [model_id] to a model that"
    )


def test_elser_of_hugging_face_is_its_sparse_vectors(make_world: Callable[..., World]) -> None:
    """The older name makes the same endpoint, and is not listed."""
    world = make_world(validate=False)
    settings = {"api_key": "k", "url": "https://elser.test"}
    older, newer = (
        world.create(name, TaskType.SPARSE_EMBEDDING, {"service": name, "service_settings": settings}).shown()
        for name in ("hugging_face_elser", "hugging_face")
    )
    assert {**older, "inference_id": ""} == {**newer, "inference_id": ""}
    assert older["service_settings"]["max_input_tokens"] == 512
    assert services.ALIASES.keys().isdisjoint(services.names())
    assert set(services.ALIASES.values()) <= set(services.names())
