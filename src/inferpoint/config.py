"""The server's own settings, from a file, the environment and flags, each going before the one named earlier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import platformdirs

from inferpoint.access.variables import VARIABLES
from inferpoint.configuration import source
from inferpoint.configuration.listening import Listening, contradictions
from inferpoint.configuration.places import BULK, Place, read_places
from inferpoint.configuration.references import START, References
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.cache import CacheSettings
from inferpoint.model.limits import Limits
from inferpoint.model.settings import Setting, declared, read, setting, settings, unknown
from inferpoint.model.wording import did_you_mean
from inferpoint.storage.key_ring import FILE_VARIABLE, VARIABLE
from inferpoint.telemetry.events import Level
from inferpoint.telemetry.log_lines import FORMS

PREFIX = "INFERPOINT_"
SCOPE = "configuration"
ENDPOINTS = "endpoints"  # of a configuration file, beside the settings
ADDRESS = PREFIX + "URL"  # of the server that the command line asks
INHERITED = PREFIX + "INHERITED"  # of a worker, from its supervisor
FILE = PREFIX + "CONFIG"
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


@settings
class Config(Listening):
    """How the server runs."""

    workers: int = setting(
        "How many processes answer, sharing every provider's limits.", default=1, at_least=1, at_most=64
    )
    data_dir: str = setting(
        "The folder for endpoints, the secret key and models.", default=platformdirs.user_data_dir("inferpoint")
    )
    audit_file: str | None = setting("A file to which every change is appended as a line of JSON.", default=None)
    log_format: str = setting("How to write the log: for people or for programs.", default="text", choices=tuple(FORMS))
    log_level: str = setting(
        "The least that is logged; requests are info, those of probes debug, those that failed here error.",
        default=Level.INFO.value,
        choices=tuple(level.value for level in Level),
    )
    max_body_bytes: int = setting(
        "The largest request body that is read.", default=Limits.body_bytes, at_least=1, wide=True
    )
    max_body_values: int = setting(
        "The most values in a request body, such as texts and numbers.", default=Limits.body_values, at_least=1
    )
    max_gzip_ratio: int = setting(
        "How many times its packed size a packed body may have, beyond 1 MiB.", default=Limits.gzip_ratio, at_least=1
    )
    max_inputs: int = setting("The most inputs of a request, or chunks of them.", default=Limits.inputs, at_least=1)
    max_chunking_bytes: int = setting(
        "The most memory that texts take together while they are cut into chunks, in bytes.",
        default=Limits.chunking_bytes,
        at_least=1024 * 1024,
        wide=True,
    )
    max_held_bytes: int = setting(
        "The most bytes that requests being answered and replies being read hold together.",
        default=Limits.held_bytes,
        at_least=1024 * 1024,
        wide=True,
    )
    separator_seconds: int = setting(
        "How long all searches for separators of one request may take.", default=Limits.separator_seconds, at_least=1
    )
    max_chunk_size: int = setting("The largest chunk that an endpoint may ask for, in words.", default=300, at_least=20)
    longest_pause_seconds: int = setting(
        "The longest that one answer of a provider keeps calls of its rate group back, whatever its Retry-After says;"
        " callers are told what it says.",
        default=60,
        at_least=1,
        at_most=86_400,
    )
    longest_timeout_seconds: int = setting(
        "The longest that a request may wait for its answer, whatever timeout it asks for; not of what is ingested.",
        default=600,
        at_least=1,
    )
    refuse_hints: bool = setting(
        "Refuse hints that a provider has no place for, such as cache_control, instead of dropping them.",
        default=False,
    )
    skip_validation: bool = setting("Keep endpoints without calling their provider once.", default=False)
    cache: CacheSettings | None = setting(
        "The cache of embeddings for all endpoints without one of their own; off when nothing is said of it.",
        default=None,
    )
    jobs: str | None = setting(
        "The folder in which bulk jobs are written down, or for several servers a database of PostgreSQL, as"
        " postgresql://USER:PASSWORD@HOST/NAME; a folder in the data folder when nothing is said of it.",
        default=None,
    )
    max_jobs: int = setting("The most bulk jobs that each worker works on at once.", default=2, at_least=1)
    insecure: bool = setting("Let in whoever comes, by any name, as long as there is no key.", default=False)

    @property
    def limits(self) -> Limits:
        """How much requests may take."""
        return Limits(
            body_bytes=self.max_body_bytes,
            body_values=self.max_body_values,
            gzip_ratio=self.max_gzip_ratio,
            inputs=self.max_inputs,
            chunking_bytes=self.max_chunking_bytes,
            separator_seconds=self.separator_seconds,
            held_bytes=self.max_held_bytes,
        )


@dataclass(frozen=True)
class File:
    """What a configuration file says: the server's settings, the endpoints that it is to have, and places of jobs."""

    settings: Mapping[str, Any]
    endpoints: Sequence[Mapping[str, Any]] = ()
    places: Mapping[str, Place] = field(default_factory=dict[str, Place])


def read_file(name: str, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> File:
    """The file called *name*, with what it refers to put in; `INVALID` with every problem and its line.

    *environ* and *flags* may have set what its endpoints are held to.
    """
    file = source.read(name, _text(name))
    references = References(file, environ, Path(name).parent)
    values, problems = references.resolved(file.values), list[str]()
    listed, bulk = values.pop(ENDPOINTS, None), values.pop(BULK, None)
    for path, option in flat():
        raw, text = (_at(one, path) for one in (file.values, values))
        if isinstance(raw, str) and START in raw:
            values = _with(values, path, _typed(option, text))
    for setting_name in unknown(Config, values):
        names = [*(one.name for one in declared(Config)), ENDPOINTS, BULK]
        problem = f"[{setting_name}] is no setting{did_you_mean(setting_name, names)}"
        problems.append(file.at((setting_name,), problem))
    wrong: list[str] = []
    read(Config, _filled(values), scope=SCOPE, problems=wrong)
    problems += [file.at((), problem) for problem in wrong]
    endpoints: Sequence[Mapping[str, Any]] = ()
    if listed is not None:
        from inferpoint.configuration.endpoints import read as read_endpoints  # noqa: PLC0415 - it reads services

        largest = _largest_chunk(values, environ, flags or {})
        endpoints = read_endpoints(file, listed, largest_chunk=largest, problems=problems)
    places = _places(file, bulk, environ, Path(name).parent, problems)
    unset = {problem.partition(": ")[0] for problem in references.problems}  # where a value is wrong for want of one
    problems = [*references.problems, *(one for one in problems if one.partition(": ")[0] not in unset)]
    if problems:
        raise invalid(*problems)
    return File(values, endpoints, places)


def combined(file: Mapping[str, Any], environ: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """One configuration of three sources; `INVALID` with every problem."""
    if extra := unknown(Config, file):
        raise invalid(f"The configuration file has settings that do not exist: {', '.join(sorted(extra))}")
    values = _filled(file)
    for path, option in flat():
        for text in (environ.get(variable(option)), flags.get(option.name)):
            if text is not None:
                values = _with(values, path, _typed(option, text))
    problems: list[str] = []
    config = read(Config, values, scope=SCOPE, problems=problems)
    if config is None:
        raise invalid(*problems)
    problems += contradictions(config)
    if problems:
        raise invalid(*problems)
    return config


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable of *environ* that begins as ours do and is none of them."""
    others = (FILE, ADDRESS, INHERITED, VARIABLE, FILE_VARIABLE, *VARIABLES)
    known = {name.removeprefix(PREFIX) for name in (*others, *(variable(option) for _, option in flat()))}
    for name_there in sorted(environ):
        name = name_there.removeprefix(PREFIX)
        if name_there.startswith(PREFIX) and name not in known:
            hint = did_you_mean(name, known).replace("[", f"[{PREFIX}")
            yield f"The variable [{name_there}] sets nothing{hint}"


def variable(option: Setting) -> str:
    """The environment's variable that sets an *option*."""
    return PREFIX + option.name.upper()


def flat() -> Iterator[tuple[Sequence[str], Setting]]:
    """Every setting and its path in the file; one of a table has the table's name before its own."""
    for option in declared(Config):
        if option.nested:
            for inner in declared(option.kind):
                one = replace(inner, name=f"{option.name}_{inner.name}", help=f"{option.help} {inner.help}")
                yield (option.name, inner.name), one
        else:
            yield (option.name,), option


def _filled(file: Mapping[str, Any]) -> Mapping[str, Any]:
    """*file* with the defaults in tables that are there and empty, which `read` would take for not there."""
    tables = {
        option.name: {inner.name: inner.default for inner in declared(option.kind)}
        for option in declared(Config)
        if option.nested and file.get(option.name) == {}
    }
    return {**file, **tables}


def _with(values: Mapping[str, Any], path: Sequence[str], value: Any) -> Mapping[str, Any]:
    """*values* with *value* at *path*; what stands where a table should be is left for `read` to complain of."""
    first, *rest = path
    if not rest:
        return {**values, first: value}
    inside: Any = values.get(first, {})
    if not isinstance(inside, dict):
        return values
    return {**values, first: _with(cast("Mapping[str, Any]", inside), rest, value)}


def _typed(option: Setting, text: Any) -> Any:
    """A word of the command line or the environment as the setting's type; what it cannot be stays a word."""
    if not isinstance(text, str):
        return text
    if option.kind is bool and text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    if option.kind is int and text.strip().lstrip("-").isdecimal():
        return int(text)
    if option.kind is list:
        return [entry.strip() for entry in text.split(",") if entry.strip()]
    return text


def _at(values: Any, path: Sequence[str]) -> Any:
    """What stands at *path* in *values*, if anything."""
    for name in path:
        values = cast("dict[str, Any]", values).get(name) if isinstance(values, dict) else None
    return values


def _largest_chunk(file: Mapping[str, Any], environ: Mapping[str, str], flags: Mapping[str, Any]) -> int:
    """The largest chunk that an endpoint may ask for, as far as it is known before all is read."""
    (option,) = (one for one in declared(Config) if one.name == "max_chunk_size")
    sizes = (_typed(option, text) for text in (flags.get(option.name), environ.get(variable(option))))
    return next((size for size in (*sizes, file.get(option.name)) if isinstance(size, int)), option.default)


def _places(
    file: source.Source, bulk: Any, environ: Mapping[str, str], folder: Path, problems: list[str]
) -> Mapping[str, Place]:
    if bulk is None:
        return {}
    from inferpoint.bulk.addresses import address  # noqa: PLC0415 - read when there are places

    return read_places(file, bulk, folder=folder, check=lambda written: address(written, environ), problems=problems)


def _text(name: str) -> str:
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InferenceError(Kind.INVALID, f"The configuration file {name} cannot be read: {error}") from None
