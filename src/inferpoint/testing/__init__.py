"""The promises of every service, asked of yours: the whole test file of a service is two lines.

::

    from acme_inference import SERVICE
    from inferpoint.testing import contract

    test_contract = contract(SERVICE, Path(__file__).parent / "conversations")

pytest then runs one test for every promise, task and conversation. `inferpoint.testing.files` says what stands in the
folder: one file for every task, called `<task type>.json`; task types that are one `Task` may share a file.
Conversations are settings, a request, the call exactly as it must leave, the reply as it came and what it means; each
names its origin, which is the provider's documentation or a recording, and never our own encoder. Keep recordings
short: they are cut at every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.service import Service
from inferpoint.testing import promises
from inferpoint.testing.conversations import RecordedTask

__all__ = ["Question", "contract", "questions"]


class Question(NamedTuple):
    """One promise to be shown of one thing; `ask` raises when it is broken."""

    id: str
    ask: Callable[[], None]


def contract(service: Service, folder: Path) -> Callable[..., None]:
    """A test for pytest that asks *service* everything, with the conversations in *folder*."""
    import pytest  # noqa: PLC0415 - only authors of services need it

    @pytest.mark.parametrize("question", [pytest.param(one, id=one.id) for one in questions(service, folder)])
    def test_contract(question: Question) -> None:
        question.ask()

    return test_contract


def questions(service: Service, folder: Path) -> Iterator[Question]:
    """Everything that *service* promises, for any test runner."""
    yield from _ask("service", promises.OF_A_SERVICE, service)
    for kind in service.tasks:
        yield from _of_task(RecordedTask(service, kind, folder))


def _of_task(recorded: RecordedTask) -> Iterator[Question]:
    kind = recorded.kind
    yield from _ask(kind, promises.OF_A_TASK, recorded)
    if not recorded.readable or recorded.shown_by is not kind:  # said by a promise above; asked under the other type
        return
    yield from _ask(kind, promises.OF_CONVERSATIONS, recorded)
    if kind.embeds:
        yield from _ask(kind, promises.OF_AN_EMBEDDING_TASK, recorded)
    for number, exchange in enumerate(recorded.exchanges()):
        about = f"{kind}-{number}"
        yield from _ask(about, promises.OF_A_CONVERSATION, exchange)
        yield from _ask(about, promises.OF_A_STREAM if exchange.recording.stream else _whole(kind), exchange)
    for number, refusal in enumerate(recorded.file().refusals):
        yield from _ask(f"{kind}-refusal-{number}", promises.OF_A_REFUSAL, (recorded.task.failures, refusal))


def _whole(kind: TaskType) -> promises.Promises:
    return promises.OF_AN_ANSWER + (promises.OF_VECTORS if kind.embeds else ())


def _ask(about: str, promised: promises.Promises, subject: Any) -> Iterator[Question]:
    for promise in promised:
        yield Question(f"{about}-{promise.__name__}", partial(promise, subject))
