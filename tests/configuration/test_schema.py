"""The JSON schema of the configuration file agrees with what the server reads, setting by setting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from inferpoint import services
from inferpoint.config import Config, read_file
from inferpoint.configuration import source
from inferpoint.configuration.schema import schema
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared
from inferpoint.protocols.service import Task

ROOT = Path(__file__).parent.parent.parent
SCHEMA = schema(Config)
VALIDATOR = Draft202012Validator(SCHEMA)
TASKS = [
    (service.name, kind, task)
    for service in map(services.find, services.names())
    for kind, task in service.tasks.items()
]
IDS = [f"{name} {kind}" for name, kind, _ in TASKS]


def example(setting: Setting) -> Any:
    """A value that a setting takes."""
    if setting.nested:
        return {inner.name: example(inner) for inner in declared(setting.kind)}
    if setting.choices:
        return setting.choices[0]
    if setting.url:
        return "https://provider.example/v1"
    if setting.pattern:
        fitting = (setting.default, "us-east-1", "s3://bucket/folder")
        return next(text for text in fitting if isinstance(text, str) and re.fullmatch(setting.pattern, text))
    if setting.kind in (int, float):
        return max(1, int(setting.at_least or 0), int(setting.above or 0) + 1 if setting.above is not None else 0)
    entries = [["a", "b"]] if setting.pairs else ["a"]
    return {str: "us-east-1", bool: True, dict: {"x-a": "b"}, list: entries}[setting.kind]


def endpoint(name: str, kind: TaskType, task: Task[Any, Any], *, only_required: bool) -> dict[str, Any]:
    wanted = [one for one in declared(task.settings) if one.required or not only_required]
    return {
        "inference_id": "e",
        "task_type": kind.value,
        "service": name,
        "service_settings": {one.name: example(one) for one in wanted},
    }


def is_valid(config: dict[str, Any]) -> bool:
    """Whether the schema takes an endpoint, in every form in which it may be written."""
    inner = {name: value for name, value in config.items() if name not in ("inference_id", "task_type")}
    forms = ([config], {"e": config}, {f"{config['task_type']}/e": inner})
    answers = {VALIDATOR.is_valid({"endpoints": form}) for form in forms}
    assert len(answers) == 1, config
    return answers.pop()


def wrong(config: dict[str, Any], task: Task[Any, Any]) -> Iterator[dict[str, Any]]:
    """*config* with one thing wrong in it: a name, a type, a bound, something missing."""
    settings = config["service_settings"]
    yield {**config, "service_setings": {}}
    yield {**config, "service": "nobody"}
    yield {**config, "service_settings": {**settings, "nothing": 1}}
    yield {**config, "task_settings": {"nothing": 1}}
    yield {**config, "aliases": "a"}
    yield {**config, "chunking_settings": {"strategy": "words"}}
    yield {**config, "chunking_settings": {"strategy": "sentence", "overlap": 1}}
    for one in declared(task.settings):
        yield {**config, "service_settings": {**settings, one.name: [1]}}
        if one.required:
            yield {**config, "service_settings": {name: v for name, v in settings.items() if name != one.name}}
        if one.at_least is not None:
            yield {**config, "service_settings": {**settings, one.name: int(one.at_least) - 1}}
        if one.choices:
            yield {**config, "service_settings": {**settings, one.name: "none-of-them"}}


def test_it_is_a_schema() -> None:
    """Of the draft that it names."""
    Draft202012Validator.check_schema(SCHEMA)


def test_it_is_published() -> None:
    """As `make docs` writes it."""
    assert json.loads((ROOT / "docs/inferpoint.schema.json").read_text("utf-8")) == SCHEMA


@pytest.mark.parametrize(("name", "kind", "task"), TASKS, ids=IDS)
def test_it_takes_what_is_declared(name: str, kind: TaskType, task: Task[Any, Any]) -> None:
    """An endpoint with all settings, and one with those alone that are required."""
    for only_required in (True, False):
        config = endpoint(name, kind, task, only_required=only_required)
        config["task_settings"] = {one.name: example(one) for one in declared(task.options) if not one.rest}
        assert is_valid(config), list(VALIDATOR.iter_errors({"endpoints": [config]}))


@pytest.mark.parametrize(("name", "kind", "task"), TASKS, ids=IDS)
def test_it_refuses_what_the_server_refuses(name: str, kind: TaskType, task: Task[Any, Any], tmp_path: Path) -> None:
    """One wrong thing in an endpoint, and both say no."""
    config = endpoint(name, kind, task, only_required=True)
    assert is_valid(config)
    for one in wrong(config, task):
        assert not is_valid(one), one
        file = tmp_path / "c.yaml"
        file.write_text(json.dumps({"endpoints": [one]}))
        with pytest.raises(InferenceError):
            read_file(str(file), {})


@pytest.mark.parametrize("setting", declared(Config), ids=lambda setting: setting.name)
def test_it_knows_the_servers_own_settings(setting: Setting) -> None:
    """Their values, references to values, and no others."""
    assert VALIDATOR.is_valid({setting.name: example(setting)})
    assert not VALIDATOR.is_valid({setting.name: [1]})
    assert VALIDATOR.is_valid({setting.name: "${VAR}"}) is not setting.nested
    assert not VALIDATOR.is_valid({f"{setting.name}_": 1})


@pytest.mark.parametrize(
    ("bulk", "is_right"),
    [
        ({"places": {"docs": {"address": "s3://x", "use": "source"}}}, True),
        ({"places": {"docs": {"address": "${VAR}", "use": "${VAR}"}}}, True),
        ({"places": None}, True),
        (None, True),
        ({"places": {"Docs": {"address": "s3://x", "use": "source"}}}, False),
        ({"places": {"docs": {"address": "s3://x"}}}, False),
        ({"places": {"docs": {"address": "s3://x", "use": "all"}}}, False),
        ({"places": {"docs": {"address": "s3://x", "use": "sink", "key": "k"}}}, False),
        ({"place": {}}, False),
    ],
)
def test_it_knows_the_places_of_jobs(bulk: Any, *, is_right: bool) -> None:
    """Their names, addresses and uses, and no others."""
    assert VALIDATOR.is_valid({"bulk": bulk}) is is_right


@pytest.mark.parametrize("language", ["yaml", "toml"])
def test_the_examples_are_configurations(language: str, tmp_path: Path) -> None:
    """Each example of the documentation is read by the server, and is one by the schema."""
    text = (ROOT / "docs/configuration.md").read_text("utf-8").replace("/run/secrets/openai", "key")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    (tmp_path / "key").write_text("k")
    for block in blocks:
        file = tmp_path / f"c.{language}"
        file.write_text(block)
        read = read_file(str(file), {"OPENAI_API_KEY": "k", "SEARCH_PASSWORD": "k"})
        assert read.endpoints or read.places
        VALIDATOR.validate(source.read(file.name, block).values)
