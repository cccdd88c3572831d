from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inferpoint import services
from inferpoint.model.descriptions import described
from inferpoint.model.endpoint import TaskType
from inferpoint.model.settings import (
    declared,
    overlay,
    public,
    read,
    secret,
    secrets,
    setting,
    settings,
    unknown,
)
from inferpoint.model.wording import as_java, numbered

CANARY = "sk-canary-0123456789"


@settings
class Rate:
    """A nested object."""

    requests: int = setting("Most requests.", label="Rate Limit", at_least=1, wide=True, updatable=True)


@settings
class Every:
    """One setting of every kind."""

    api_key: str = secret("The key.")
    name: str = setting("A name.")
    size: int = setting("A size.", default=5, at_least=1, at_most=9)
    from_zero: int | None = setting("A count.", default=None, at_least=0, at_most=10)
    ratio: float | None = setting("A ratio.", default=None, at_least=0, at_most=1, updatable=True)
    on: bool = setting("A switch.", default=False)
    words: tuple[str, ...] | None = setting("A list.", default=None)
    headers: Mapping[str, str] | None = setting("A map.", default=None)
    colour: str | None = setting("A choice.", default=None, choices=("red", "blue"), updatable=True)
    power: int | None = setting("A number of some.", default=None, choices=(4, 1, 2))
    url: str | None = setting("An address.", default=None, url=True)
    rate_limit: Rate | None = setting("How fast.", default=None, updatable=True)


RIGHT = {"api_key": CANARY, "name": "n"}


def problems_of(**values: Any) -> list[str]:
    found: list[str] = []
    read(Every, {**RIGHT, **values}, scope="service_settings", problems=found)
    return found


def of_type(name: str, shown: str, wanted: str) -> str:
    return f"field [{name}] is not of the expected type. The value [{shown}] cannot be converted to a [{wanted}]"


def url_problem(value: str, reason: str) -> str:
    return (
        f"[service_settings] Invalid url [{value}] received for field [url]."
        f" Error: unable to parse url [{value}]. Reason: {reason}"
    )


WRONG = [
    ("name", None, "[service_settings] does not contain the required setting [name]"),
    ("name", "", "[service_settings] Invalid value empty string. [name] must be a non-empty string"),
    ("name", 5, of_type("name", "5", "String")),
    ("name", True, of_type("name", "true", "String")),
    ("name", {"a": [1, None], "b": {}}, of_type("name", "{a=[1, null], b={}}", "String")),
    ("size", "5", of_type("size", "5", "Integer")),
    ("size", 5.0, of_type("size", "5.0", "Integer")),
    ("size", True, of_type("size", "true", "Integer")),
    ("size", [], of_type("size", "[]", "Integer")),
    ("size", 2**31, of_type("size", str(2**31), "Integer")),
    ("size", -(2**31), of_type("size", str(-(2**31)), "Integer")),
    ("size", 0, "[service_settings] Invalid value [0]. [size] must be a positive integer"),
    ("size", -3, "[service_settings] Invalid value [-3]. [size] must be a positive integer"),
    ("size", 10, "[service_settings] Invalid value [10.0]. [size] must be less than or equal to [9.0]"),
    ("from_zero", -1, "[service_settings] Invalid value [-1.0]. [from_zero] must be greater than or equal to [0.0]"),
    ("ratio", "x", of_type("ratio", "x", "Double")),
    ("ratio", True, of_type("ratio", "true", "Double")),
    ("ratio", 10**400, of_type("ratio", str(10**400), "Double")),
    ("ratio", 1.5, "[service_settings] Invalid value [1.5]. [ratio] must be less than or equal to [1.0]"),
    ("ratio", -1, "[service_settings] Invalid value [-1.0]. [ratio] must be greater than or equal to [0.0]"),
    ("on", "true", of_type("on", "true", "Boolean")),
    ("on", 1, of_type("on", "1", "Boolean")),
    ("words", "a", of_type("words", "a", "List")),
    ("words", ["a", 3], of_type("words", "3", "String")),
    ("words", [], "[service_settings] Invalid value empty list. [words] must be a non-empty list"),
    ("headers", [], of_type("headers", "[]", "Map")),
    ("headers", {}, "[service_settings] Invalid value empty map. [headers] must be a non-empty map"),
    (
        "headers",
        {"a": "b", "k": 5},
        "Map field [headers] has an entry that is not valid, [k => 5]. Value type of [5] is not one of [String].",
    ),
    ("colour", "green", "[service_settings] Invalid value [green] received. [colour] must be one of [blue, red]"),
    ("colour", "Red", "[service_settings] Invalid value [Red] received. [colour] must be one of [blue, red]"),
    ("power", 3, "[service_settings] Invalid value [3] received. [power] must be one of [1, 2, 4]"),
    ("url", "", "[service_settings] Invalid value empty string. [url] must be a non-empty string"),
    ("url", "ftp://a/b", url_problem("ftp://a/b", "the scheme must be http or https")),
    ("url", "nowhere", url_problem("nowhere", "the scheme must be http or https")),
    ("url", "http://", url_problem("http://", "the host is missing")),
    ("url", "http://a b", url_problem("http://a b", "Illegal character")),
    ("url", "http://a/\n", url_problem("http://a/\n", "Illegal character")),
    ("url", "<url_endpoint>", url_problem("<url_endpoint>", "Illegal character")),
    ("url", "http://a:b@c/", url_problem("http://***@c/", "user information is not allowed")),
    ("url", "http://a:99999/", url_problem("http://a:99999/", "Port out of range 0-65535")),
    ("url", "http://[::1", url_problem("http://[::1", "Invalid IPv6 URL")),
    ("rate_limit", 5, of_type("rate_limit", "5", "Map")),
    ("rate_limit", {"requests": 0}, "[rate_limit] Invalid value [0]. [requests] must be a positive long"),
    ("rate_limit", {"requests": 2**63}, of_type("requests", str(2**63), "Long")),
    ("rate_limit", {"requests": None}, "[rate_limit] does not contain the required setting [requests]"),
    ("rate_limit", {"requests": 1, "x": 2}, "Rate limit settings contain unknown entries [{x=2}]"),
]


@settings
class Plain:
    """A map of plain values."""

    parameters: Mapping[str, str | int | float | bool] = setting("Whatever the model takes.")


def test_a_map_of_plain_values_takes_texts_numbers_and_booleans_and_shows_them() -> None:
    """No entry is a header: names are free, values are shown, and objects are refused in Elasticsearch's words."""
    problems: list[str] = []
    parameters = {"authorization": "a", "top k": 5, "ratio": 0.5, "on": True}
    record = read(Plain, {"parameters": parameters}, scope="task_settings", problems=problems)
    assert record is not None
    assert (public(record), problems) == ({"parameters": parameters}, [])
    assert read(Plain, {"parameters": {"a": 1, "k": []}}, scope="task_settings", problems=problems) is None
    assert problems == [
        "Map field [parameters] has an entry that is not valid, [k => []]."
        " Value type of [[]] is not one of [Boolean, Double, Float, Integer, String]."
    ]


@pytest.mark.parametrize(("name", "value", "text"), WRONG)
def test_each_wrong_value_is_said_in_elasticsearchs_words(name: str, value: Any, text: str) -> None:
    """One wrong value is one problem, with the exact text of the table of Elasticsearch's settings errors."""
    assert problems_of(**{name: value}) == [text]


def test_secrets_are_asked_for_under_their_own_scope_and_never_shown() -> None:
    """What is wrong with a secret is said of `secret_settings`, and never shows the value."""
    for value, text in {
        None: "[secret_settings] does not contain the required setting [api_key]",
        "": "[secret_settings] Invalid value empty string. [api_key] must be a non-empty string",
        12345678: of_type("api_key", "***", "String"),
    }.items():
        assert problems_of(api_key=value) == [text]
    assert CANARY not in "".join(problems_of(api_key=[CANARY]) + problems_of(api_key={"x": CANARY}))


def test_all_problems_are_found_at_once_and_numbered() -> None:
    """Every wrong value has its own number, in the order of the declaration."""
    assert numbered(problems_of(name="", size="x", on=1)) == (
        "Validation Failed: 1: [service_settings] Invalid value empty string. [name] must be a non-empty string;"
        "2: field [size] is not of the expected type. The value [x] cannot be converted to a [Integer];"
        "3: field [on] is not of the expected type. The value [1] cannot be converted to a [Boolean];"
    )


def test_right_values_are_read_as_they_are() -> None:
    """What is given is kept, an integer where a floating number is wanted too; what is not given is the default."""
    given = {
        **RIGHT,
        "size": 9,
        "ratio": 1,
        "on": True,
        "words": ["a"],
        "headers": {"a": "b"},
        "colour": "red",
        "power": 4,
        "url": "HTTPS://ä.test:1/%3A?q=1",
        "rate_limit": {"requests": 2**40},
        "strange": 1,
    }
    record = read(Every, given, scope="s", problems=(problems := []))
    assert (problems, record) == (
        [],
        Every(
            **{**RIGHT, "size": 9, "ratio": 1, "on": True, "words": ("a",), "headers": {"a": "b"}, "colour": "red"},
            power=4,
            url="HTTPS://ä.test:1/%3A?q=1",
            rate_limit=Rate(requests=2**40),
        ),
    )
    assert read(Every, RIGHT, scope="s", problems=[]) == Every(**RIGHT)


def test_an_empty_rate_limit_is_none() -> None:
    """`{}` and null for an object of settings are the same as nothing."""
    for nothing in ({}, None):
        record = read(Every, {**RIGHT, "rate_limit": nothing}, scope="s", problems=(problems := []))
        assert (record, problems) == (Every(**RIGHT), [])


def test_an_overlay_changes_only_what_it_names() -> None:
    """A value replaces the old one, null brings the default back, a required setting cannot be taken away."""
    before = Every(**RIGHT, size=7, ratio=0.5, rate_limit=Rate(requests=3))
    problems: list[str] = []
    after = overlay(before, {"size": None, "ratio": 0.25, "rate_limit": {}, "other": 1}, scope="s", problems=problems)
    assert (after, problems) == (Every(**RIGHT, ratio=0.25), [])
    assert overlay(before, {}, scope="s", problems=problems) == before
    assert overlay(before, {"name": None, "api_key": None, "on": 5}, scope="s", problems=problems) == before
    assert problems == [
        "[secret_settings] does not contain the required setting [api_key]",
        "[s] does not contain the required setting [name]",
        of_type("on", "5", "Boolean"),
    ]


def test_unknown_is_what_is_not_declared_or_may_not_change() -> None:
    """Updating takes secrets and what is declared updatable; creating takes all that is declared."""
    given = dict.fromkeys(("api_key", "name", "ratio", "rate_limit", "nothing"), 1)
    assert list(unknown(Every, given)) == ["nothing"]
    assert list(unknown(Every, given, updatable=True)) == ["name", "nothing"]


def test_secrets_are_in_no_public_form() -> None:
    """Neither what is shown nor a repr holds a secret; what the vault is given holds nothing else."""
    record = Every(**RIGHT, rate_limit=Rate(requests=3))
    assert public(record) == {"name": "n", "size": 5, "on": False, "rate_limit": {"requests": 3}}
    assert secrets(record) == {"api_key": CANARY}
    assert CANARY not in repr(record)


def test_java_prints_what_errors_quote() -> None:
    """Values are quoted as Java's maps and lists print them."""
    value = {"a": None, "b": [True, 1.5, "x"], "c": {"d": {}}}
    assert as_java(value) == "{a=null, b=[true, 1.5, x], c={d={}}}"


@pytest.mark.parametrize(
    "name",
    [
        "api_key", "apiKey", "apikey", "API-KEY", "x-api-key", "key", "secret_key", "client_secret", "password",
        "access_token", "Authorization", "authorization", "api_keys", "credentials",
    ],
)  # fmt: skip
def test_what_looks_secret_is_hidden_wherever_it_is_quoted(name: str) -> None:
    """A key under a name that looks like one is hidden, however it is spelt and however deep it is."""
    assert as_java([{"a": {name: CANARY}}]) == f"[{{a={{{name}=***}}}}]"


@pytest.mark.parametrize("name", ["model_id", "max_tokens", "keyboard", "tokenizer", "keys_path"])
def test_what_does_not_look_secret_is_quoted(name: str) -> None:
    """Other names keep their values: they are what the person has to correct."""
    assert as_java({name: 5}) == f"{{{name}=5}}"


TASKS = [
    pytest.param(task, id=f"{name}-{kind}")
    for name in services.names()
    for kind, task in services.find(name).tasks.items()
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**400)
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["http://", "http://[", "https://a:b", "http://a\x00", "none", "//", CANARY]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "task", [pytest.param(type("Task", (), {"settings": Every, "options": Rate}), id="every"), *TASKS]
)
@given(data=st.data())
def test_any_json_is_read_or_is_a_problem(task: Any, data: st.DataObject) -> None:
    """Whatever JSON stands in whatever setting, it is read or said to be wrong; nothing else is raised."""
    for cls in (task.settings, task.options):
        values = data.draw(st.fixed_dictionaries({}, optional={each.name: JSON for each in declared(cls)}))
        problems: list[str] = []
        record = read(cls, values, scope="s", problems=problems)
        assert (record is None) == bool(problems)
        assert all(isinstance(problem, str) for problem in problems)
        if record is not None:
            assert msgspec.json.decode(msgspec.json.encode(public(record))) is not None
            assert read(cls, {**public(record), **secrets(record)}, scope="s", problems=[]) == record
            changes = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(values, JSON)))
            overlay(record, changes, scope="s", problems=[])


@given(JSON)
@example(10**400)
@example({"key": CANARY})
def test_any_json_can_be_quoted(value: Any) -> None:
    """Any value can stand in an error."""
    assert isinstance(as_java(value), str)


@pytest.mark.parametrize("task", TASKS)
def test_each_setting_of_a_service_is_described_as_json(task: Any) -> None:
    """Every setting has a help that is a sentence, a label, and a description that is JSON with a known type."""
    for cls in (task.settings, task.options):
        found = described(cls)
        assert json.loads(json.dumps(found)) == found
        for name, each in found.items():
            assert each["description"].endswith("."), name
            assert each["description"][0].isupper(), name
            assert each["label"], name
            assert each["type"] in ("str", "int", "float", "bool", "map", "list"), name
            assert {"required", "sensitive", "updatable"} <= each.keys()


def test_a_description_says_what_a_declaration_says() -> None:
    """From one declaration follow description, label, default and flags; nested settings have dotted names."""
    found = described(Every)
    assert found["api_key"] == {
        "description": "The key.",
        "label": "API Key",
        "required": True,
        "sensitive": True,
        "updatable": True,
        "type": "str",
    }
    assert found["size"]["default_value"] == 5
    assert {"enum", "minimum", "maximum"} <= {name for one in found.values() for name in one}
    assert found["rate_limit.requests"]["label"] == "Rate Limit"
    assert "rate_limit" not in found
    assert "default_value" not in found["url"]


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "API-Key", "apikey", "Cookie", "Proxy-Authorization"])
def test_a_header_that_carries_a_key_is_refused(name: str) -> None:
    """What authorizes a call is a secret setting's; the value is not in the error."""
    problems: list[str] = []
    options = services.find("openai").tasks[TaskType.COMPLETION].options
    assert read(options, {"headers": {name: "sk-canary"}}, scope="task_settings", problems=problems) is None
    assert problems == [f"Map field [headers] must not hold [{name}]; keys belong in secret settings"]


@pytest.mark.parametrize(
    "name",
    [
        "Accept-Encoding",
        "Content-Length",
        "TRANSFER-ENCODING",
        "host",
        "Connection",
        "Expect",
        "te",
        "Proxy-Connection",
    ],
)
def test_a_header_that_frames_the_call_is_refused(name: str) -> None:
    """A call that ends before its body does would have the rest taken for the next call, of another endpoint.

    And a reply that was asked to be compressed would not be read.
    """
    assert problems_of(headers={"x": "1", name: "3"}) == [
        f"Map field [headers] must not hold [{name}], which belongs to the connection"
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("X Y", "1"), ("", "1"), ("é", "1"), ("x:", "1"), ("x\n", "1"), ("x", "a\r\nb: c"), ("x", "\0")]
)
def test_a_header_that_cannot_be_written_is_told(name: str, value: str) -> None:
    """It is known where the setting is read, not when the provider hangs up."""
    assert problems_of(headers={name: value}) == [
        f"Map field [headers] has an entry that is not valid, [{name} => {value}]. It cannot be written as a header."
    ]
    assert problems_of(headers={"x-y": "a\tb 日本"}) == []


def test_what_is_deeper_than_the_stack_is_quoted_in_part() -> None:
    """A body may be as deep as it likes."""
    deep: Any = 1
    for _ in range(100_000):
        deep = {"a": [deep]}
    assert as_java(deep).startswith("{a=[{a=[")
    assert "..." in as_java(deep)


def test_a_password_in_an_address_is_not_repeated() -> None:
    """An address with a user and a password is refused without saying either."""
    problems: list[str] = []
    settings = services.find("hugging_face").tasks[TaskType.TEXT_EMBEDDING].settings
    read(settings, {"api_key": "k", "url": "https://user:canary@host/x"}, scope="s", problems=problems)
    assert problems[0].startswith("[s] Invalid url [https://***@host/x] received")
    assert "canary" not in problems[0]
