"""The body that starts a bulk job, declared once: read, checked and described by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from inferpoint.bulk.job import Spec
from inferpoint.bulk.named_places import NamedPlaces, Within
from inferpoint.errors import Subject, invalid
from inferpoint.model.settings import declared, read, setting, settings, unknown
from inferpoint.model.times import seconds
from inferpoint.model.wording import did_you_mean

SCOPE = "job"
_ENDS = (("source", False), ("sink", True))


@settings
class WithinRequest:
    """A place of the server's configuration, and what is in it."""

    place: str = setting("The name of a place in the server's configuration.")
    path: str = setting("A file, a folder (which ends with /), an index or a table in that place.")


@settings
class JobRequest:
    """A job that is to be started, or to go on."""

    inference_id: str = setting("The endpoint that embeds or completes the texts.")
    source: WithinRequest = setting("Where the texts are.")
    sink: WithinRequest = setting("Where the results go.")
    name: str | None = setting("The name of the job; without one it follows from what the job does.", default=None)
    text: str = setting("The field of a record that has its text.", default="text")
    id: str | None = setting("The field that has its id; without one its number is its id.", default=None)
    keep: tuple[str, ...] | None = setting("Fields that go along to the sink.", default=None)
    chunk: bool = setting("Whether each chunk of a text is a row.", default=False)
    mode: str = setting("Now, or by the provider's batches.", default="now", choices=("now", "batch"))
    poll: str = setting("How often a batch is asked for, such as 60s.", default="60s")
    fallback: str | None = setting("After how long a batch is ended, and the rest asked for now.", default=None)
    limit: int | None = setting("How many records are done at most.", default=None, at_least=1, wide=True)
    on_error: str = setting("What a record that fails does to the job.", default="skip", choices=("skip", "stop"))
    max_failed: float = setting("The share of records of which more may not fail.", default=0.01, at_least=0, at_most=1)
    task_settings: Mapping[str, Any] | None = setting("What takes the place of the endpoint's own.", default=None)
    accept_changes: bool = setting("Whether it goes on although its source or chunking has changed.", default=False)

    @property
    def spec(self) -> Spec:
        """What the job is to do."""
        return Spec(
            endpoint=self.inference_id,
            source=Within(self.source.place, self.source.path).written,
            sink=Within(self.sink.place, self.sink.path).written,
            text=self.text,
            id=self.id,
            keep=self.keep or (),
            chunk=self.chunk,
            mode="batch" if self.mode == "batch" else "now",
            poll=seconds(self.poll, name="poll"),
            fallback=None if self.fallback is None else seconds(self.fallback, name="fallback"),
            limit=self.limit,
            on_error="stop" if self.on_error == "stop" else "skip",
            max_failed=self.max_failed,
            task_settings=self.task_settings or {},
        )


def job_request(body: Mapping[str, Any], places: NamedPlaces) -> JobRequest:
    """The request that *body* holds; `INVALID` with all that is wrong with it."""
    names = [one.name for one in declared(JobRequest)]
    problems = [f"[{name}] is no member of a job{did_you_mean(name, names)}" for name in unknown(JobRequest, body)]
    request = read(JobRequest, body, scope=SCOPE, problems=problems)
    for of, writes in _ENDS:
        value = body.get(of)
        if value == {}:
            problems.append(f"[{of}] does not contain the required setting [place]")
        elif isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            place, path = members.get("place"), members.get("path")
            if isinstance(place, str) and isinstance(path, str):
                wrong = places.problems(Within(place, path), writes=writes)
                problems += [f"[{of}.{member}] {problem}" for member, problem in wrong]
    if problems or request is None:
        raise invalid(*problems, subject=Subject.SETTINGS)
    return request
