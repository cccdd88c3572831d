"""Files of conversations: what one takes from another, who shares one, and what becomes of a task that has none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_testing import COMPLETION, CONVERSATIONS, EMBEDDING, SERVICE, broken

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.service import Origin
from inferpoint.testing import questions
from inferpoint.testing.files import load, merged

MOVED = replace(
    SERVICE,
    tasks={COMPLETION: SERVICE.tasks[COMPLETION]},
    origin=Origin(lambda _: "https://other.example", "OTHER_BASE_URL"),
)
ONE_TASK = replace(SERVICE, tasks=dict.fromkeys((EMBEDDING, TaskType.EMBEDDING), SERVICE.tasks[EMBEDDING]))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a service's file of completions beside the example's folder, and returns its folder."""
    shutil.copytree(CONVERSATIONS, tmp_path / "acme")

    def written(members: Mapping[str, Any]) -> Path:
        folder = tmp_path / "other"
        folder.mkdir()
        (folder / "completion.json").write_text(json.dumps(members), "utf-8")
        return folder

    return written


def test_a_dialects_conversations_are_taken_with_differences(write: Callable[..., Path]) -> None:
    """A service at another address keeps every promise with the other's conversations and the address."""
    folder = write({"as": "acme", "each": {"call": {"url": "https://other.example/write"}}})
    taken, own = load(folder / "completion.json"), load(CONVERSATIONS / "completion.json")
    assert len(taken.conversations) == len(own.conversations)
    assert {recording.call.url for recording in taken.conversations} == {"https://other.example/write"}
    assert taken.refusals == own.refusals
    assert broken(MOVED, folder) == set()
    assert broken(SERVICE, folder) >= {"the_call_is_exactly_the_recorded_one"}


def test_what_a_service_has_besides_its_dialect_is_added(write: Callable[..., Path]) -> None:
    """Conversations and refusals of the file itself stand after those of the other, as they are."""
    own = json.loads((CONVERSATIONS / "completion.json").read_text("utf-8"))
    folder = write({"as": "acme", "each": {"origin": "elsewhere"}, **own})
    file = load(folder / "completion.json")
    count = len(own["conversations"])
    assert [recording.origin == "elsewhere" for recording in file.conversations] == [True] * count + [False] * count
    assert len(file.refusals) == 2 * len(own["refusals"])


def test_a_dialect_that_is_not_there_is_said(write: Callable[..., Path]) -> None:
    """A file that takes from a folder which does not exist is an assertion that names what is missing."""
    folder = write({"as": "nobody"})
    with pytest.raises(AssertionError, match=r"there is no file nobody/completion\.json"):
        load(folder / "completion.json")


@pytest.mark.parametrize(
    ("value", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_as_in_its_standard(value: Any, patch: Any, result: Any) -> None:
    """The examples of RFC 7386, appendix A, come out; and what is patched stays as it was."""
    before = json.dumps(value)
    assert merged(value, patch) == result
    assert json.dumps(value) == before


def test_task_types_that_are_one_task_share_a_file() -> None:
    """A file for one of two types shows both, and its conversations are asked once."""
    assert not (CONVERSATIONS / "embedding.json").exists()
    assert broken(ONE_TASK, CONVERSATIONS) == set()
    asked = [question.id for question in questions(ONE_TASK, CONVERSATIONS)]
    assert "embedding-a_task_is_declared_whole" in asked
    assert "text_embedding-0-the_call_is_exactly_the_recorded_one" in asked
    assert "embedding-0-the_call_is_exactly_the_recorded_one" not in asked


def test_a_file_is_not_shared_by_another_task() -> None:
    """A type whose task differs in anything needs conversations of its own."""
    other = replace(SERVICE.tasks[EMBEDDING], label="Acme multimodal embeddings")
    service = replace(SERVICE, tasks={**SERVICE.tasks, TaskType.EMBEDDING: other})
    assert broken(service, CONVERSATIONS) == {"it_has_conversations_that_say_where_they_come_from"}


def test_a_service_without_conversations_breaks_one_promise(tmp_path: Path) -> None:
    """Every task of it says that it has none; everything else that can be asked is asked, and kept."""
    assert broken(SERVICE, tmp_path) == {"it_has_conversations_that_say_where_they_come_from"}
    asked = [question.id for question in questions(SERVICE, tmp_path)]
    assert len(asked) == len(set(asked)) > 2
