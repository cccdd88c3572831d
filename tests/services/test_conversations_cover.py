"""The conversations of a service show all that it does: every task, every setting on the wire, streams, its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest
from every_setting import EVERY, value

from inferpoint import services
from inferpoint.errors import InferenceError
from inferpoint.model.http import Call
from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared, read
from inferpoint.testing.conversations import NOON, Exchange, RecordedTask

HERE = Path(__file__).parent
RECORDED = [
    recorded
    for name, kind in EVERY
    if (recorded := RecordedTask(services.find(name), kind, HERE / name)).shown_by is kind
]
each = pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: f"{one.service.name}-{one.kind}")
Path_ = tuple[str, ...]


def every(cls: type[Any], path: Path_ = ()) -> Iterator[tuple[Path_, Setting]]:
    """All settings of *cls* that hold a value themselves, with the names that lead to them."""
    for one in declared(cls):
        if one.nested:
            yield from every(one.kind, (*path, one.name))
        elif not one.rest:
            yield (*path, one.name), one


def put(record: Mapping[str, Any], path: Path_, new: Any) -> dict[str, Any]:
    """*record* with *new* at *path*, or without anything there."""
    name, *rest = path
    left = dict(record)
    if rest:
        left[name] = put(left.get(name) or {}, tuple(rest), new)
    elif new is MISSING:
        left.pop(name, None)
    else:
        left[name] = new
    return left


def at(record: Any, path: Path_) -> Any:
    """What stands at *path*, or None."""
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def call(exchange: Exchange, settings: Mapping[str, Any], options: Mapping[str, Any]) -> Call | None:
    """The signed call with other settings, or None where they do not go together."""
    task, service = exchange.task, exchange.of.service
    problems: list[str] = []
    model: Any = read(task.settings, settings, scope="s", problems=problems)
    chosen: Any = read(task.options, options, scope="o", problems=problems)
    if problems:
        return None
    try:
        task.check(model, chosen)
        origin = exchange.recording.origin_address or (service.origin.address(model) if service.origin else "")
        return service.sign(task.encode(exchange.request, model, chosen, origin), model, NOON)
    except InferenceError:
        return None


def changed(exchange: Exchange, section: str, path: Path_, new: Any) -> bool | None:
    """Whether the call is another one with *new* at *path* of a section; None where that is not allowed."""
    before = {"settings": exchange.recording.settings, "options": exchange.recording.options}
    after = {**before, section: put(before[section], path, new)}
    first, second = call(exchange, **before), call(exchange, **after)
    assert first is not None
    if second is None:
        return None
    return (first, first.body, dict(first.headers)) != (second, second.body, dict(second.headers))


def on_the_wire(recorded: RecordedTask) -> Iterator[tuple[str, Path_, Setting]]:
    """The settings of a task that change some call that is recorded."""
    for section, cls in (("settings", recorded.task.settings), ("options", recorded.task.options)):
        for path, one in every(cls):
            values = (*one.choices, value(one))
            if any(changed(exchange, section, path, new) for exchange in recorded.exchanges() for new in values):
                yield section, path, one


def is_shown(recorded: RecordedTask, section: str, path: Path_, one: Setting) -> bool:
    """Whether a conversation has the setting, and would have another call without it, or none."""
    for exchange in recorded.exchanges():
        said = {"settings": exchange.recording.settings, "options": exchange.recording.options}[section]
        if at(said, path) is not None and (one.required or changed(exchange, section, path, MISSING) is not False):
            return True
    return False


@each
def test_every_setting_that_changes_the_wire_is_in_a_conversation(recorded: RecordedTask) -> None:
    """The call that it makes was written down by hand, from the provider's documentation."""
    missing = [
        f"{section}: {'.'.join(path)}"
        for section, path, one in on_the_wire(recorded)
        if not is_shown(recorded, section, path, one)
    ]
    assert not missing


@each
def test_three_kinds_of_errors_are_in_the_conversations(recorded: RecordedTask) -> None:
    """Each of another status, or in other words."""
    kinds = {(one.status, one.said["message"]) for one in recorded.file().refusals}
    assert len(kinds) >= 3


@each
def test_what_streams_has_a_stream_and_a_whole_answer(recorded: RecordedTask) -> None:
    """Each with what it means."""
    streams = [exchange.recording.stream for exchange in recorded.exchanges()]
    assert False in streams
    assert (True in streams) is (recorded.task.reader is not None)


def test_every_task_has_conversations() -> None:
    """Its own file, or that of a task type that is the same task."""
    shown = {(recorded.service.name, recorded.kind) for recorded in RECORDED}
    for name, kind in EVERY:
        task = RecordedTask(services.find(name), kind, HERE / name)
        assert (name, task.shown_by) in shown
        assert task.path.exists()
