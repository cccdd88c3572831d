"""Whatever is declared, set wrong: each setting of every task of every service, from the declarations themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from every_setting import EVERY, value, whole
from msgspec.structs import replace
from world import World

from inferpoint import services
from inferpoint.api.elastic.errors import envelope
from inferpoint.engine.preflight import prepared
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared, unknown
from inferpoint.model.wording import JAVA_NAMES, looks_secret

KEY = "sk-canary-0123456789"
SECTIONS = ("service_settings", "task_settings")
Path = tuple[str, ...]


class Wrong(NamedTuple):
    """A value that stands at a *path* of a configuration, None for one that is missing, and what must be said of it."""

    why: str
    path: Path
    value: Any
    words: tuple[str, ...]


MISSING = object()


def records(name: str, kind: TaskType) -> list[tuple[str, type[Any]]]:
    """The two sections of settings of a task, and the classes that declare them."""
    task = services.find(name).tasks[kind]
    return list(zip(SECTIONS, (task.settings, task.options), strict=True))


def every(cls: type[Any], path: Path) -> Iterator[tuple[Path, Setting]]:
    """All settings below *path*, and those inside of them."""
    for one in declared(cls):
        if not one.rest:
            yield (*path, one.name), one
            if one.nested:
                yield from every(one.kind, (*path, one.name))


def planted(one: Setting) -> str:
    """What nobody may be shown where the setting is a secret."""
    return KEY if one.secret else "w"


def missing(path: Path, one: Setting) -> Iterator[Wrong]:
    """A required setting that is not there, or as good as that."""
    if one.required:
        words = (f"does not contain the required setting [{one.name}]",)
        yield Wrong("missing", path, MISSING, words)
        yield Wrong("null", path, None, words)


def empty(path: Path, one: Setting) -> Iterator[Wrong]:
    """Nothing, where something must be."""
    if one.kind in (str, list, dict) and one.default != one.kind():
        noun = {str: "string", list: "list", dict: "map"}[one.kind]
        yield Wrong("empty", path, one.kind(), (f"[{one.name}] must be a non-empty {noun}",))


def of_other_types(path: Path, one: Setting) -> Iterator[Wrong]:
    """A value of each JSON type but the setting's own."""
    wanted, text = "Map" if one.nested else "Long" if one.wide else JAVA_NAMES[one.kind], planted(one)
    values: Mapping[type[Any], Any] = {str: text, int: 5, float: 1.5, bool: True, list: [text], dict: {"a": text}}
    for kind, wrong in values.items():
        taken = kind is one.kind or (kind is dict and one.nested) or (kind is int and one.kind is float)
        if not taken:
            yield Wrong(f"a {kind.__name__}", path, wrong, (f"[{one.name}]", f"cannot be converted to a [{wanted}]"))
    if one.kind is int:
        beyond = 2**63 if one.wide else 2**31
        yield Wrong("too many digits", path, beyond, (f"[{one.name}]", f"cannot be converted to a [{wanted}]"))


def of_strange_entries(path: Path, one: Setting) -> Iterator[Wrong]:
    """A list or a map with an entry of another type."""
    if one.kind is list:
        yield Wrong("an entry", path, [5], (f"[{one.name}]", "cannot be converted to a"))
    if one.kind is dict and one.entries:
        words = (f"Map field [{one.name}] has an entry that is not valid",)
        yield Wrong("an entry", path, {"x-a": [planted(one)]}, words)


def out_of_bounds(path: Path, one: Setting) -> Iterator[Wrong]:
    """A number below the least, and one above the most."""
    if one.at_least is not None:
        told = "must be a positive" if one.at_least >= 1 else f"greater than or equal to [{float(one.at_least)}]"
        yield Wrong("too little", path, one.kind(one.at_least - 1), (f"[{one.name}]", told))
        yield Wrong("far too little", path, -(10**6), (f"[{one.name}]", told))
    if one.above is not None:
        for wrong in (one.above, one.above - 1):
            yield Wrong(f"{wrong}", path, one.kind(wrong), (f"[{one.name}] must be greater than [{float(one.above)}]",))
    if one.at_most is not None:
        told = f"[{one.name}] must be less than or equal to [{float(one.at_most)}]"
        yield Wrong("too much", path, one.kind(one.at_most + 1), (told,))


def of_no_choice(path: Path, one: Setting) -> Iterator[Wrong]:
    """A word, or a number, that is none of those to choose from."""
    if one.choices:
        told = f"[{one.name}] must be one of [{', '.join(map(str, sorted(one.choices)))}]"
        number = one.kind is int
        wrongs: list[Any] = [max(one.choices) + 1] if number else ["no-such-word", f"{one.choices[0]} "]
        if not number and not one.any_case:
            wrongs.append(str(one.choices[0]).swapcase())
        for wrong in wrongs:
            yield Wrong(f"{wrong!r}", path, wrong, (told,))


def of_no_form(path: Path, one: Setting) -> Iterator[Wrong]:
    """A text that is no address, or does not have the form it must."""
    if one.url:
        for wrong in ("x", "file:///etc/passwd", "https://", "https://a b/", "https://me:sk-canary-0123456789@a/"):
            yield Wrong(wrong, path, wrong, (f"Invalid url [{wrong.replace(f'me:{KEY}', '***')}]", f"[{one.name}]"))
    if one.pattern:
        yield Wrong("of no form", path, "%\n%", (f"[{one.name}] must match the pattern {one.pattern}",))


KINDS = (missing, empty, of_other_types, of_strange_entries, out_of_bounds, of_no_choice, of_no_form)


def changed(config: dict[str, Any], path: Path, wrong: Any) -> dict[str, Any]:
    """*config* with what is *wrong* at *path*."""
    name, *rest = path
    left = dict(config)
    if rest:
        left[name] = changed(left.get(name) or {}, tuple(rest), wrong)
    elif wrong is MISSING:
        left.pop(name, None)
    else:
        left[name] = wrong
    return left


def right(name: str, kind: TaskType) -> dict[str, Any]:
    """A configuration with all that may be set."""
    settings, options = whole(name, kind)
    return {"service": name, "service_settings": settings, **({"task_settings": options} if options else {})}


def refused(world: World, kind: TaskType, config: Mapping[str, Any], status: int = 400) -> str:
    """The reason of a refusal with that status and no secret, before any call and with nothing stored."""
    with pytest.raises(InferenceError) as caught:
        world.create("e", kind, config)
    told = envelope(caught.value, trace=True)
    assert told["status"] == status
    assert KEY not in json.dumps(told)
    assert world.provider.calls == []
    assert world.run(world.store.all()) == []
    return told["error"]["reason"]


@pytest.mark.parametrize("wrongs", KINDS, ids=lambda wrongs: wrongs.__name__)
@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_what_is_wrong_is_named_with_what_is_allowed(
    world: World, name: str, kind: TaskType, wrongs: Callable[[Path, Setting], Iterator[Wrong]]
) -> None:
    """Each setting of a task, set wrong alone: the error names it and what it may be."""
    for section, cls in records(name, kind):
        for path, one in every(cls, (section,)):
            for wrong in wrongs(path, one):
                said = refused(world, kind, changed(right(name, kind), wrong.path, wrong.value))
                for words in wrong.words:
                    assert words in said, (wrong.path, wrong.why)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_an_update_is_checked_like_what_it_updates(make_world: Callable[..., World], name: str, kind: TaskType) -> None:
    """What may be changed is refused for the same reasons, and stays as it was."""
    world = make_world(validate=False)
    world.create("e", kind, right(name, kind))
    before = world.get("e")
    for section, cls in records(name, kind):
        for one in (one for one in declared(cls) if one.updatable and not one.rest):
            for wrongs in KINDS[1:]:
                for wrong in wrongs((section, one.name), one):
                    if one.merged and not wrong.value:  # which changes no entry
                        continue
                    with pytest.raises(InferenceError) as caught:
                        world.update("e", changed({}, wrong.path, wrong.value))
                    told = envelope(caught.value, trace=True)
                    assert told["status"] == 400
                    assert KEY not in json.dumps(told)
                    assert all(words in told["error"]["reason"] for words in wrong.words), (wrong.path, wrong.why)
    assert world.get("e") == before


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_requests_own_task_settings_are_checked_like_the_endpoints(
    make_world: Callable[..., World], name: str, kind: TaskType
) -> None:
    """Before any call, and with the same words; what is unknown is told with what there is."""
    world = make_world(validate=False)
    made = world.create("e", kind, right(name, kind))
    options = made.task.options
    every_option = [one for one in declared(options) if not one.rest]
    for wrong in (wrong for one in every_option for wrongs in KINDS[1:] for wrong in wrongs((one.name,), one)):
        if not isinstance(wrong.value, dict) or wrong.value:  # an empty map takes nothing away
            with pytest.raises(InferenceError) as caught:
                prepared(made, replace(made.probe, options={wrong.path[0]: wrong.value}), None)
            assert all(words in str(caught.value) for words in wrong.words), (wrong.path, wrong.why)
    if not any(one.rest for one in declared(options)):
        takes = ", ".join(one.name for one in declared(options))
        with pytest.raises(InferenceError) as caught:
            prepared(made, replace(made.probe, options={"of_no_task": 1}), None)
        assert str(caught.value).endswith(f"[task_settings] of [{kind}] takes {f'[{takes}]' if takes else 'none'}")


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_settings_of_another_task_are_unknown_by_name(world: World, name: str, kind: TaskType) -> None:
    """What only other tasks of the service take is refused, and what this one takes is told."""
    own = dict(records(name, kind))
    for other in services.find(name).tasks:
        for section, cls in records(name, other):
            strange = [one for one in declared(cls) if not one.rest and _is_strange(own, one.name)]
            for one in strange:
                said = refused(world, kind, changed(right(name, kind), (section, one.name), value(one)))
                assert f"Configuration contains settings [{{{one.name}=" in said
                takes = [mine.name for mine in declared(own[section]) if not mine.rest]
                shown = f"[{', '.join(takes)}]" if takes else "none"
                assert said.endswith(f"unknown to the [{name}] service; [{section}] of [{kind}] takes {shown}")


def _is_strange(own: Mapping[str, type[Any]], name: str) -> bool:
    """Whether neither section knows the *name*; one of the task's among the service's is taken as the task's."""
    return all(unknown(cls, {name: 1}) for cls in own.values())


@pytest.mark.parametrize("name", services.names())
@pytest.mark.parametrize("kind", TaskType)
def test_a_task_that_the_provider_does_not_have_is_refused_with_those_it_has(
    world: World, name: str, kind: TaskType
) -> None:
    """The error names the task, and what there is instead."""
    service = services.find(name)
    if kind in service.tasks:
        return
    config = {"service": name, "service_settings": whole(name, next(iter(service.tasks)))[0]}
    said = refused(world, kind, config)
    instead = ", ".join(service.tasks)
    assert said == f"The [{name}] service does not support task type [{kind}], but [{instead}]"


EMBED, RERANK, COMPLETE, CHAT = "text_embedding", "rerank", "completion", "chat_completion"
TOKEN, REALTIME = "token", "realtime"
# What goes together in Azure AI Studio, as Elasticsearch's code and documentation have it.
DEPLOYED = {
    (EMBED, "openai", TOKEN), (EMBED, "cohere", TOKEN), (RERANK, "cohere", TOKEN),
    (COMPLETE, "openai", TOKEN), (COMPLETE, "cohere", TOKEN), (COMPLETE, "meta", TOKEN), (COMPLETE, "meta", REALTIME),
    (COMPLETE, "mistral", REALTIME), (COMPLETE, "microsoft_phi", REALTIME), (COMPLETE, "databricks", REALTIME),
}  # fmt: skip
MAKERS = sorted({maker for _, maker, _ in DEPLOYED})


@pytest.mark.parametrize("form", [TOKEN, REALTIME])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("task", [EMBED, RERANK, COMPLETE])
def test_what_azure_has_not_deployed_is_refused_with_what_it_has(
    make_world: Callable[..., World], task: str, maker: str, form: str
) -> None:
    """A maker without such models, or a form of endpoint that they do not have."""
    world = make_world(validate=False)
    config = changed(right("azureaistudio", TaskType(task)), ("service_settings", "provider"), maker)
    config = changed(config, ("service_settings", "endpoint_type"), form)
    if (task, maker, form) in DEPLOYED:
        world.create("e", TaskType(task), config)
        return
    said = refused(world, TaskType(task), config)
    forms = sorted(of for what, who, of in DEPLOYED if (what, who) == (task, maker))
    if forms:
        assert said.startswith(
            f"The [{form}] endpoint type with [{task}] task type for provider [{maker}] is not avail"
        )
        assert said.endswith(f"[endpoint_type] must be [{', '.join(forms)}]")
    else:
        makers = sorted({who for what, who, _ in DEPLOYED if what == task})
        assert said.startswith(f"The [{task}] task type for provider [{maker}] is not available")
        assert said.endswith(f"[provider] must be one of [{', '.join(makers)}]")


# Which makers' models do what in Bedrock, and which of them know `top_k`, as in Elasticsearch.
EMBEDDING_MAKERS = ["amazontitan", "cohere"]
TOP_K_MAKERS = ["anthropic", "cohere", "mistral"]
BEDROCK = ["ai21labs", "amazontitan", "anthropic", "cohere", "meta", "mistral"]


@pytest.mark.parametrize("maker", BEDROCK)
@pytest.mark.parametrize("task", [EMBED, COMPLETE, CHAT])
def test_what_bedrocks_makers_do_not_have_is_refused_with_those_who_have_it(
    make_world: Callable[..., World], task: str, maker: str
) -> None:
    """A maker without models that embed, or that know `top_k`."""
    world = make_world(validate=False)
    config = changed(right("amazonbedrock", TaskType(task)), ("service_settings", "provider"), maker)
    may = EMBEDDING_MAKERS if task == EMBED else BEDROCK
    if maker not in may:
        said = refused(world, TaskType(task), config)
        assert said.endswith(f"is not available; [provider] must be one of [{', '.join(may)}]")
        return
    if task != EMBED and maker not in TOP_K_MAKERS:
        said = refused(world, TaskType(task), changed(config, ("task_settings", "top_k"), 5))
        assert said.startswith(f"The [top_k] task parameter is not available for provider [{maker}]")
        assert said.endswith(f"[provider] must be one of [{', '.join(TOP_K_MAKERS)}]")
    world.create("e", TaskType(task), config)


@pytest.mark.parametrize("task", [TaskType.SPARSE_EMBEDDING, TaskType.RERANK])
def test_what_openais_form_does_not_have_is_refused_at_sagemaker(world: World, task: TaskType) -> None:
    """The status is Elasticsearch's; the API that has the task is named, and the tasks that this one has."""
    config = changed(right("amazon_sagemaker", task), ("service_settings", "api"), "openai")
    said = refused(world, task, config, status=405)
    for words in (f"Task [{task}]", "api [openai]", "text_embedding, completion, chat_completion", "[elastic]"):
        assert words in said


@pytest.mark.parametrize(
    ("setting", "given", "words"),
    [
        ("element_type", None, "does not contain the required setting [element_type]"),
        ("api", "openai", "Invalid value [byte]: the api [openai] has [float] only"),
    ],
)
def test_what_vectors_sagemaker_has_is_asked_for(world: World, setting: str, given: Any, words: str) -> None:
    """Elasticsearch's form needs the type of numbers, OpenAI's has one."""
    config = changed(right("amazon_sagemaker", TaskType.TEXT_EMBEDDING), ("service_settings", "element_type"), "byte")
    assert words in refused(world, TaskType.TEXT_EMBEDDING, changed(config, ("service_settings", setting), given))


@pytest.mark.parametrize("task", [TaskType.COMPLETION, TaskType.CHAT_COMPLETION])
@pytest.mark.parametrize("maker", ["google", "anthropic", "meta", "hugging_face", "mistral", "ai21"])
def test_where_models_of_vertex_are_depends_on_their_maker(
    make_world: Callable[..., World], task: TaskType, maker: str
) -> None:
    """Google's have a project and a name, those of others an address; each is asked for, and the other refused."""
    world = make_world(validate=False)
    settings = {"provider": maker, "service_account_json": whole("googlevertexai", task)[0]["service_account_json"]}
    named = {"project_id": "p", "model_id": "m"}
    of_google = maker == "google"

    def config(**more: Any) -> dict[str, Any]:
        return {"service": "googlevertexai", "service_settings": {**settings, **more}}

    for more in ({"project_id": "p"}, {"model_id": "m"}) if of_google else (named,):
        said = refused(world, task, config(**more))
        words = ("'project_id'", "'model_id'") if of_google else ("[url]", "[streaming_url]", f"provider={maker}")
        assert all(word in said for word in words)
    for name in ("url", "streaming_url"):
        address = {name: "https://garden.test/v1/models/m:rawPredict"}
        if of_google:
            said = refused(world, task, config(**named, **address))
            assert f"'{name}'" in said
            assert "'provider' is either GOOGLE or null" in said
        else:
            world.create(name.partition("_")[0], task, config(**address))
    if of_google:
        world.create("e", task, config(**named))


def test_what_is_declared_a_secret_is_hidden_by_its_name_too() -> None:
    """A key that stands where its name is unknown is not shown when that is told."""
    every_one = [one for name, kind in EVERY for _, cls in records(name, kind) for _, one in every(cls, ())]
    assert not {one.name for one in every_one if one.secret and not looks_secret(one.name)}
