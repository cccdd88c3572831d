from __future__ import annotations

from typing import Any

import pytest

from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType, resolved_type, task_type

COMPLETION, EMBEDDING = TaskType.COMPLETION, TaskType.TEXT_EMBEDDING


@pytest.mark.parametrize("name", ["text_embedding", "Text_Embedding", " TEXT_EMBEDDING\n"])
def test_task_types_are_read_in_any_case(name: str) -> None:
    """As Elasticsearch does, names are trimmed and their case does not matter."""
    assert task_type(name) is EMBEDDING


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        (None, None, None),
        (COMPLETION, None, COMPLETION),
        (None, "completion", COMPLETION),
        (COMPLETION, "Completion", COMPLETION),
    ],
)
def test_the_path_and_the_body_agree(path: TaskType | None, given: Any, expected: TaskType | None) -> None:
    """One of the two is enough, and both may say the same."""
    assert resolved_type(path, given) is expected


@pytest.mark.parametrize(
    ("path", "given", "text"),
    [
        (None, "nope", "Unknown task_type [nope]"),
        (None, "any", "task_type [any] is not valid type for inference"),
        (
            EMBEDDING,
            "completion",
            (
                "Cannot resolve conflicting task_type parameter in the request URL [text_embedding]"
                " and the request body [completion]"
            ),
        ),
        (
            None,
            {"a": True},
            "field [task_type] is not of the expected type. The value [{a=true}] cannot be converted to a [String]",
        ),
    ],
)
def test_a_task_type_that_is_none_is_said(path: TaskType | None, given: Any, text: str) -> None:
    """What cannot be resolved has Elasticsearch's exact words."""
    with pytest.raises(InferenceError) as caught:
        resolved_type(path, given)
    assert str(caught.value) == text
