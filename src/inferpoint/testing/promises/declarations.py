"""Promises of what a service and its tasks declare, and of the conversations that show them."""

from __future__ import annotations

import itertools
import math

import msgspec

from inferpoint.model.descriptions import described
from inferpoint.model.endpoint import TaskType
from inferpoint.model.settings import declared, secrets
from inferpoint.model.wording import looks_secret
from inferpoint.protocols.service import CONTRACT, Service
from inferpoint.testing.conversations import NOON, RecordedTask
from inferpoint.testing.promises.checks import must, same, texts
from inferpoint.testing.strange import COUNTS, RESETS, EveryHeader

SHORTEST_SECRET = 8  # a shorter one may stand in a text by chance


def it_is_declared_whole(service: Service) -> None:
    """A service has a name, a title and tasks, and was written for this version of the contract."""
    same("the version of the contract", service.contract, CONTRACT)
    must(bool(service.name), "the service has no name")
    must(bool(service.title), "the service has no title")
    must(bool(service.tasks), "the service has no task")


def headers_tell_of_limits_that_make_sense_or_of_none(service: Service) -> None:
    """Whatever a reply's headers are, what reads the provider's limits in them raises nothing."""
    for count, reset in itertools.product(COUNTS, RESETS):
        headers = EveryHeader(count, reset)
        try:
            allowance = service.quota(headers, NOON.time)
        except Exception as error:
            raise AssertionError(f"{headers!r} raised {error!r}, where nothing may be raised") from error
        for bucket in filter(None, allowance.values()):
            sense = bucket.limit > 0 and 0 <= bucket.remaining <= bucket.limit and 0 <= bucket.full_in < math.inf
            must(sense, f"{headers!r} tells of {bucket!r}")


def a_task_is_declared_whole(recorded: RecordedTask) -> None:
    """The declarations of a task agree with each other, and every setting says what it is for."""
    task = recorded.task
    must(bool(task.label), "the task has no label")
    every = [setting for cls in (task.settings, task.options) for setting in declared(cls)]
    names = [setting.name for setting in every]
    must(len(names) == len(set(names)), f"a setting and an option have one name, of {names}")
    for setting in every:
        name, hidden = setting.name, setting.secret or setting.kind is bool or not looks_secret(setting.name)
        must(hidden, f"[{name}] is a secret by its name, and not declared as one")
        sentence = setting.nested or setting.help.endswith(".")
        must(sentence, f"what [{name}] is for is not a sentence: {setting.help!r}")
    for option in declared(task.options):
        must(option.updatable, f"the option [{option.name}] is not updatable, and every request may set it")
        must(not option.url, f"the option [{option.name}] is an address, to which a request could have secrets sent")
    for cls in (task.settings, task.options):
        msgspec.json.encode(described(cls))
    dense = recorded.kind.embeds and recorded.kind is not TaskType.SPARSE_EMBEDDING
    must(dense == (task.similarity is not None), "dense embeddings compare by a similarity, others by none")
    must(not (recorded.kind.embeds and task.reader), "embeddings do not stream")


def it_has_conversations_that_say_where_they_come_from(recorded: RecordedTask) -> None:
    """A task has at least two entries in its file, a streaming task a stream, and each entry names its origin."""
    file = recorded.file()
    entries = [*file.conversations, *file.refusals]
    must(len(entries) >= 2, "one conversation and one refusal at the least say what a provider does")
    for entry in entries:
        must(len(entry.origin) > 5, f"an origin says where an entry is from, and not {entry.origin!r}")
    streams = any(recording.stream for recording in file.conversations)
    must(any(not recording.stream for recording in file.conversations), "no conversation has a whole reply")
    must(streams or recorded.task.reader is None, "the task streams, and no conversation does")
    must(not streams or recorded.task.reader is not None, "a conversation streams, and the task does not")
    for recording in file.conversations:
        meaning = recording.deltas if recording.stream else recording.result
        must(meaning is not None, "a streamed conversation says its [deltas], another its [result]")


def every_secret_is_in_a_conversation(recorded: RecordedTask) -> None:
    """Each secret setting has a value somewhere, long enough to be looked for."""
    names = [setting.name for setting in declared(recorded.task.settings) if setting.secret]
    every = [item for exchange in recorded.exchanges() for item in secrets(exchange.settings).items()]
    planted = [(name, value) for name, value in every if name in names]
    for setting in declared(recorded.task.settings):
        # A secret that only a grant's call carries leaves in no conversation.
        if setting.secret and (setting.required or recorded.service.grant is None):
            must(any(name == setting.name for name, _ in planted), f"no conversation has the secret [{setting.name}]")
    for name, value in planted:
        shortest = min(map(len, texts(value)))
        must(shortest >= SHORTEST_SECRET, f"the secret [{name}] is shorter than {SHORTEST_SECRET} characters")
