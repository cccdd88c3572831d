"""What holds for every section of an endpoint: here for one that is declared by a row and a field alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from world import EMBEDDING, KEY, World, openai, told

from inferpoint.endpoints import document, sections
from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.sections import Context, Section
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import Endpoint
from inferpoint.storage.vault import Vault

WRONG = "Validation Failed: 1: [priority] must be one of [high, low];"


@dataclass(frozen=True)
class Prioritised(Endpoint):
    priority: str | None = None


class Priority(Section):
    def read(self, given: Any, context: Context, problems: list[str], /) -> Any:
        if given not in (None, "high", "low"):
            problems.append(f"[{self.name}] must be one of [high, low]")
        return given


@pytest.fixture
def _prioritised(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row more in the table, and one field more in the endpoint."""
    row = Priority(name="priority", field="priority")
    monkeypatch.setattr(sections, "SECTIONS", (*sections.SECTIONS, row))
    monkeypatch.setattr(document, "Endpoint", Prioritised)


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(InferenceError) as caught:
        act()
    return told(caught.value)[2]


def test_what_is_no_section_is_unknown(world: World) -> None:
    """Neither a creation nor an update takes it."""
    assert refused(lambda: world.create("e", EMBEDDING, openai(priority="high"))) == (
        "Configuration contains settings [{priority=high}] unknown to the [openai] service; an endpoint takes"
        f" [service, task_type, force, {', '.join(section.name for section in sections.SECTIONS)}]"
    )
    world.create("e", EMBEDDING, openai())
    assert "fields which cannot be updated" in refused(lambda: world.update("e", {"priority": "high"}))


def test_the_library_takes_every_section() -> None:
    """The typed keyword arguments of `put` and `update` name exactly the sections of the table."""
    names = {section.name for section in sections.SECTIONS}
    assert sections.EndpointChanges.__optional_keys__ == names | {"force"}
    assert sections.EndpointConfig.__annotations__.keys() == names | {"service", "task_type", "force"}


@pytest.mark.usefixtures("_prioritised")
def test_a_section_is_one_row_and_one_field(world: World) -> None:
    """It is read, shown after all else, stored and restored, left by other updates, and replaced by its own."""
    world.create("e", EMBEDDING, openai(priority="high"))
    assert list(world.get("e"))[-1] == "priority"
    assert world.get("e")["priority"] == "high"
    assert world.run(world.store.all())[0].document["priority"] == "high"
    again = Endpoints(world.store, Vault(KEY))
    world.run(again.load())
    assert again.find("e").endpoint == world.endpoints.find("e").endpoint
    world.update("e", {"task_settings": {"user": "u"}})
    assert world.get("e")["priority"] == "high"
    world.provider.calls.clear()
    world.update("e", {"priority": "low"})
    assert world.get("e")["priority"] == "low"
    world.update("e", {"priority": None})
    assert "priority" not in world.get("e")
    assert world.provider.calls == []


@pytest.mark.usefixtures("_prioritised")
def test_a_wrong_section_is_refused(world: World) -> None:
    """On creation and update alike, beside every other problem, with nothing kept and nobody asked."""
    assert refused(lambda: world.create("e", EMBEDDING, openai(priority=7))) == WRONG
    assert refused(lambda: world.create("e", EMBEDDING, openai({"model_id": None}, priority=7))) == (
        "Validation Failed: 1: [service_settings] does not contain the required setting [model_id];"
        "2: [priority] must be one of [high, low];"
    )
    assert not world.endpoints.exists("e")
    assert world.provider.calls == []
    world.create("e", EMBEDDING, openai(priority="low"))
    assert refused(lambda: world.update("e", {"priority": 7})) == WRONG
    assert world.get("e")["priority"] == "low"


@pytest.mark.usefixtures("_prioritised")
def test_an_endpoint_that_was_stored_before_a_section_was_there_has_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new section needs no migration: whatever is not in a document is not set."""
    with monkeypatch.context() as earlier:
        earlier.setattr(sections, "SECTIONS", sections.SECTIONS[:-1])
        world.create("e", EMBEDDING, openai())
    again = Endpoints(world.store, Vault(KEY))
    world.run(again.load())
    assert "priority" not in again.find("e").shown()


@pytest.mark.parametrize(
    ("settings", "options", "kept"),
    [
        ({"user": "u"}, {}, {"user": "u"}),
        ({"user": None, "headers": None}, {}, None),
        ({"user": "u"}, {"user": "other"}, {"user": "other"}),
        ({"user": "u"}, None, {"user": "u"}),
    ],
)
def test_a_form_does_not_tell_the_sections_apart(
    world: World, settings: dict[str, Any], options: dict[str, Any] | None, kept: dict[str, Any] | None
) -> None:
    """What is the task's among the service's settings is the task's, unless that says it too; null is nothing."""
    config = openai(task_settings=options)
    config["service_settings"] = {**config["service_settings"], **settings}
    world.create("e", EMBEDDING, config)
    assert world.get("e").get("task_settings") == kept
    assert not settings.keys() & world.get("e")["service_settings"].keys()
