"""A configuration file: what it may say and in which forms, what is put in, and how all that is wrong is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from inferpoint.config import File, read_file
from inferpoint.configuration import source, yaml_file
from inferpoint.errors import InferenceError
from inferpoint.flags import from_command_line

ENVIRON = {"KEY": "sk-1", "PORT": "5", "EMPTY": ""}
GPT = {
    "inference_id": "gpt",
    "task_type": "completion",
    "service": "openai",
    "service_settings": {"api_key": "sk-1", "model_id": "m"},
}
YAML = """
port: ${PORT}
cache: {disk_bytes: 7}
endpoints:
  completion/gpt:
    service: openai
    service_settings: {api_key: "${KEY}", model_id: m}
"""
YAML_OF_IDS = """
port: 5
cache:
  disk_bytes: 7
endpoints:
  gpt:
    task_type: completion
    service: openai
    service_settings: {api_key: "${KEY}", model_id: m}
"""
YAML_LIST = """
port: ${NONE:-5}
cache: {disk_bytes: "${EMPTY:-7}"}
endpoints:
  - inference_id: gpt
    task_type: completion
    service: openai
    service_settings: &settings {api_key: "${file:key}", model_id: m}
"""
TOML = """
port = 5
[cache]
disk_bytes = 7
[endpoints."completion/gpt"]
service = "openai"
service_settings = {api_key = "${KEY}", model_id = "m"}
"""
TOML_LIST = """
port = "${PORT}"
cache.disk_bytes = 7
[[endpoints]]
inference_id = "gpt"
task_type = "completion"
service = "openai"
[endpoints.service_settings]
api_key = "${KEY}"
model_id = "m"
"""


def read(folder: Path, text: str, ending: str = "yaml", environ: Mapping[str, str] = ENVIRON) -> File:
    (folder / "key").write_text("sk-1\n")
    file = folder / f"c.{ending}"
    file.write_text(text)
    return read_file(str(file), environ)


def problems(folder: Path, text: str, ending: str = "yaml") -> list[str]:
    """What is wrong with a file, its name left out."""
    with pytest.raises(InferenceError) as caught:
        read(folder, text, ending)
    return [problem.replace(f"{folder}/c.{ending}", "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "ending"),
    [(YAML, "yaml"), (YAML_OF_IDS, "yml"), (YAML_LIST, "conf"), (TOML, "toml"), (TOML_LIST, "toml")],
)
def test_every_form_says_the_same(tmp_path: Path, text: str, ending: str) -> None:
    """YAML and TOML, a list and an object, values and references: one and the same server."""
    file = read(tmp_path, text, ending)
    assert file.settings == {"port": 5, "cache": {"disk_bytes": 7}}
    assert [dict(config) for config in file.endpoints] == [GPT]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-11-28", "2026-11-28"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-7", -7),
        ("007", 7),
        ("true", True),
        ("~", None),
        ("", None),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_yaml_has_the_values_of_json(written: str, value: Any) -> None:
    """What looks like a word, a time or a date is a text; and is read again as it was when it is written."""
    assert source.read("c", f"a: {written}").values == {"a": value}
    assert source.read("c", yaml_file.write({"a": value})).values == {"a": value}
    assert source.read("c", yaml_file.write({"a": written})).values == {"a": written}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "c:2: The configuration file has the key [a] a second time"),
        ("a: &x [*x]", "c:1: The configuration file has a value that holds itself"),
        ("a: 1\n? [1]\n: 2", "c:2: The configuration file has a key that is no text"),
        ("a: 1\nb: !!python/object:os.system x", "c:2: The configuration file has the type"),
        ("a: 1\nb: [", "c:2: The configuration file is not YAML: "),
        ("a: \x01", "The configuration file c is not YAML: "),
        ("- a", "c:1: The configuration file must hold names and values"),
        ("5", "c:1: The configuration file must hold names and values"),
    ],
)
def test_what_is_no_configuration_is_told(text: str, problem: str) -> None:
    """With the line, in one sentence."""
    with pytest.raises(InferenceError) as caught:
        source.read("c", text)
    assert str(caught.value).startswith(problem)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    """Every setting has its default then."""
    assert read(tmp_path, "# nothing\n") == File({})
    assert read(tmp_path, "endpoints:\n") == File({})


REFERENCES = """
host: 127.0.0.1
endpoints:
  completion/gpt:
    service: openai
    service_settings:
      api_key: ${NONE}
      model_id: ${file:nowhere}
    task_settings:
      user: ${1}
    aliases: [a]
"""


def test_what_cannot_be_put_in_is_told_once(tmp_path: Path) -> None:
    """Each with its line, and not again as a setting that is empty."""
    assert problems(tmp_path, REFERENCES) == [
        ":7: The variable NONE is not set",
        ":8: The file nowhere cannot be read: No such file or directory",
        ":10: A reference must have the form ${VAR}, ${VAR:-default} or ${file:PATH}; $${ stands for ${",
    ]
    (tmp_path / "nowhere").write_text("m")
    text = REFERENCES.replace("${NONE}", "${KEY}").replace("${1}", "$${KEY} and $KEY and ${KEY}")
    (config,) = read(tmp_path, text).endpoints
    assert config["task_settings"]["user"] == "${KEY} and $KEY and sk-1"


WRONG = """
prot: 5
cache: {memory_bytes: -3}
endpoints:
  completion/gpt:
    service: openai
    service_settings:
      api_key: k
      modl_id: m
      rate_limit:
        requests_per_minute: 0
    task_settings:
      usr: u
    alias: [a]
  docs:
    task_type: text_embedding
    service: openai
    service_settings: {api_key: k, model_id: m}
    chunking_settings:
      strategy: sentence
      max_chunk_size: 900
  rerank/x: {service: opnai, service_settings: {}}
  rerank/y: {service: openai, service_settings: {}}
  rerank/z: 5
  completion/other:
    inference_id: another
    service: openai
    service_settings: {api_key: k, model_id: m}
"""
WRONG_TOML = """
prot = 5
[cache]
ttl = 1
[[endpoints]]
inference_id = "a"
task_type = "completion"
service = "openai"
[endpoints.service_settings]
api_key = "k"
model_id = '''
m'''
[[endpoints]]
inference_id = "a"
task_type = "completion"
service = "openai"
  [endpoints.service_settings]
  api_key = "k"
  model_id = ""
  # a comment
  organisation_id = "o"
"""


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Names that nobody knows with what may be meant, values out of bounds, endpoints that cannot be: by lines."""
    assert problems(tmp_path, WRONG) == [
        ":2: [prot] is no setting, did you mean [port]",
        ":3: [cache] Invalid value [-3.0]. [memory_bytes] must be greater than or equal to [0.0]",
        ":14: [gpt] [alias] is no part of an endpoint, did you mean [aliases]",
        ":9: [gpt] [modl_id] is no setting of [service_settings], did you mean [model_id]",
        ":13: [gpt] [usr] is no setting of [task_settings], did you mean [user]",
        ":7: [gpt] [service_settings] does not contain the required setting [model_id]",
        ":11: [gpt] [rate_limit] Invalid value [0]. [requests_per_minute] must be a positive long",
        ":21: [docs] [chunking_settings] Invalid value [900.0]. [max_chunk_size] must be less than or equal to [300.0]",
        ":22: [x] Unknown service [opnai], did you mean [openai]",
        ":23: [y] The [openai] service does not support task type [rerank],"
        " but [text_embedding, embedding, completion, chat_completion]",
        ":24: [rerank/z] An endpoint must be an object",
        ":26: [completion/other] [inference_id] is [another], and the endpoint's name says [other]",
    ]
    assert problems(tmp_path, WRONG_TOML, "toml") == [
        ":2: [prot] is no setting, did you mean [port]",
        ":4: Cache settings contain unknown entries [{ttl=1}]",
        ":21: [a] [organisation_id] is no setting of [service_settings], did you mean [organization_id]",
        ":19: [a] [service_settings] Invalid value empty string. [model_id] must be a non-empty string",
        ":13: [a] There is another endpoint of this id",
    ]


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    """What it says bounds the endpoints of the file, too."""
    file = tmp_path / "c.yaml"
    file.write_text(
        YAML + "    chunking_settings: {strategy: word, max_chunk_size: 400, overlap: 0}\nmax_chunk_size: 20\n"
    )
    config, settled = from_command_line(["--config", str(file), "--max-chunk-size", "500"], ENVIRON, "serve")
    assert (config.port, config.max_chunk_size) == (5, 500)
    assert [one["inference_id"] for one in settled.endpoints] == ["gpt"]
    with pytest.raises(InferenceError, match=r":8: \[gpt\] .* less than or equal to \[20"):
        from_command_line(["--config", str(file)], ENVIRON, "serve")


PLACES = """
bulk:
  places:
    docs: {address: "s3://bucket/docs", use: source}
    vectors: {address: "postgresql://me:${KEY}@db/one", use: sink}
    mail: {address: "https://me:${file:key}@search:9200", use: "${NONE:-both}"}
    local: {address: /srv/docs, use: both}
"""
PLACES_TOML = """
[bulk.places.docs]
address = "s3://bucket/docs"
use = "source"
[bulk.places.vectors]
address = "postgresql://me:${KEY}@db/one"
use = "sink"
[bulk.places.mail]
address = "https://me:${file:key}@search:9200"
use = "both"
[bulk.places.local]
address = "/srv/docs"
use = "both"
"""


@pytest.mark.parametrize(("text", "ending"), [(PLACES, "yaml"), (PLACES_TOML, "toml")])
def test_places_keep_their_references(tmp_path: Path, text: str, ending: str) -> None:
    """An address is written down with jobs, so no secret is put into it; a file's path is from the configuration's."""
    places = read(tmp_path, text, ending).places
    assert {name: (place.address, place.use) for name, place in places.items()} == {
        "docs": ("s3://bucket/docs", "source"),
        "vectors": ("postgresql://me:${KEY}@db/one", "sink"),
        "mail": (f"https://me:${{file:{tmp_path}/key}}@search:9200", "both"),
        "local": ("/srv/docs", "both"),
    }


WRONG_PLACES = """
bulk:
  place: {}
  places:
    Docs: {address: s3://x, use: source}
    a: {addres: s3://x, use: sauce}
    b: {address: relative/folder, use: sink}
    c: {address: "postgresql://me:secret-canary@db/one", use: sink}
    d: {address: "s3://${UNSET}/x", use: both}
    e: s3://x
    f: {address: "https://h/?api_key=secret-canary", use: source}
    g: {address: 5, use: both}
"""


def test_every_problem_of_places_has_its_line(tmp_path: Path) -> None:
    """Names, members, what is no address, and keys that stand there in the open, which are not told again."""
    told = problems(tmp_path, WRONG_PLACES)
    assert [one.partition(" ")[0] for one in sorted(told, key=lambda one: int(one.split(":")[1]))] == [
        ":3:", ":5:", ":6:", ":6:", ":6:", ":7:", ":8:", ":9:", ":10:", ":11:", ":12:",
    ]  # fmt: skip
    whole = "\n".join(told)
    assert "secret-canary" not in whole
    for words in ("[place] is no part of [bulk]", "did you mean [address]", "[use]", "UNSET", "absolute path or a URL"):
        assert words in whole
    assert problems(tmp_path, "bulk: 5") == [":1: [bulk] must be an object"]
    assert problems(tmp_path, "bulk: {places: []}") == [":1: [places] must be an object"]
    assert read(tmp_path, "bulk:\n").places == {}
