"""Batches of OpenAI, Anthropic and Bedrock: handed in, asked for, and read as the results of single calls are."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from batch_provider import BatchProvider, Outcome
from world import COMPLETION, EMBEDDING, SECRET, World, openai

from inferpoint.calls.batches import Answer
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.batches import Ended, FateUnknownError, PlannedBatch, Waiting
from inferpoint.model.requests import ANONYMOUS, Chunking, InferenceRequest
from inferpoint.model.results import ChunkedEmbeddings, Completion, Embeddings

MakeWorld = Callable[..., World]
Configured = tuple[Any, dict[str, Any]]

AMAZON = {
    "access_key": "AKIA", "secret_key": SECRET, "region": "eu-central-1", "batch_role_arn": "arn:aws:iam::1:role/b",
    "batch_s3_uri": "s3://bucket/batches",
}  # fmt: skip
OPENAI = (EMBEDDING, openai())


def bedrock(provider: str, settings: dict[str, str] = AMAZON) -> dict[str, Any]:
    """The configuration of an endpoint of a *provider*'s model."""
    return {"service": "amazonbedrock", "service_settings": {**settings, "provider": provider, "model": "a.model"}}


TITAN = (EMBEDDING, bedrock("amazontitan"))
COHERE = (EMBEDDING, bedrock("cohere"))
CHAT = (COMPLETION, openai())
CLAUDE = (
    COMPLETION,
    {
        "service": "anthropic",
        "service_settings": {"api_key": SECRET, "model_id": "claude"},
        "task_settings": {"max_tokens": 9},
    },
)
CONVERSE = (COMPLETION, bedrock("anthropic"))
EMBEDDINGS = {"openai": OPENAI, "titan": TITAN, "cohere": COHERE}
COMPLETIONS = {"openai": CHAT, "anthropic": CLAUDE, "converse": CONVERSE}
embeds = pytest.mark.parametrize("config", EMBEDDINGS.values(), ids=EMBEDDINGS)
completes = pytest.mark.parametrize("config", COMPLETIONS.values(), ids=COMPLETIONS)
PROVIDERS = {"openai": OPENAI, "anthropic": CLAUDE, "bedrock": TITAN}
everywhere = pytest.mark.parametrize("config", PROVIDERS.values(), ids=PROVIDERS)


class Batching:
    """A world with an endpoint `e` whose provider takes batches."""

    def __init__(self, make_world: MakeWorld, config: Configured, *outcomes: Outcome) -> None:
        self.provider = BatchProvider(*outcomes)
        self.world = make_world(self.provider, validate=False)
        kind, settings = config
        self.world.create("e", kind, settings)
        self.walk = self.world.engine.batches(self.world.engine.find(ANONYMOUS, "e"))
        self.generates = kind is COMPLETION

    def requests(self, *texts: str, **more: Any) -> list[InferenceRequest]:
        """A request for each prompt, or one for all texts."""
        if self.generates:
            return [InferenceRequest((text,), **more) for text in texts]
        return [InferenceRequest(texts, partial=True, **more)]

    def plan(self, requests: list[InferenceRequest], name: str = "job-1") -> PlannedBatch:
        return self.world.run(self.walk.plan(dict(enumerate(requests)), name))

    def submit(self, batch: PlannedBatch, requests: list[InferenceRequest]) -> PlannedBatch:
        return self.world.run(self.walk.submit(batch, dict(enumerate(requests))))

    def ended(self, batch: PlannedBatch) -> Ended:
        """The end of *batch*, asked for until then."""
        while isinstance(state := self.world.run(self.walk.look(batch)), Waiting):
            pass
        return state

    def collect(self, batch: PlannedBatch, ended: Ended, requests: list[InferenceRequest]) -> list[Answer]:
        answers = self.world.run(self.walk.collect(batch, ended, dict(enumerate(requests))))
        assert list(answers) == [*range(len(requests))]
        return list(answers.values())

    def answers(self, *texts: str, **more: Any) -> list[Answer]:
        """What becomes of *texts* in one batch."""
        requests = self.requests(*texts, **more)
        batch = self.submit(self.plan(requests), requests)
        return self.collect(batch, self.ended(batch), requests)


@pytest.fixture
def batching(make_world: MakeWorld) -> Callable[..., Batching]:
    """Makes a world for an endpoint's configuration and the outcomes of its batches."""
    return partial(Batching, make_world)


def lengths(answer: Answer) -> list[int | None]:
    """The first number of each vector, which is the length of its text."""
    assert isinstance(answer, Embeddings), answer
    return [None if vector is None else int(json.loads(bytes(vector))[0]) for vector in answer.vectors]


def refused(act: Callable[[], Any]) -> InferenceError:
    with pytest.raises(InferenceError) as caught:
        act()
    return caught.value


@embeds
def test_each_text_has_its_own_vector(batching: Callable[..., Batching], config: Configured) -> None:
    """However many lines a request has, and in whatever order they are answered."""
    texts = ["x" * (1 + place % 7) for place in range(200)]
    made = batching(config)
    (answer,) = made.answers(*texts)
    assert lengths(answer) == [len(text) for text in texts]
    assert made.provider.paid.total() == len(texts)


@completes
def test_each_prompt_has_its_own_answer(batching: Callable[..., Batching], config: Configured) -> None:
    """In the order of the prompts, with the tokens that its line tells of."""
    answers = batching(config).answers("one", "three", "eleven")
    assert [one.choices[0].text for one in answers if isinstance(one, Completion)] == ["one", "three", "eleven"]
    assert [one.usage.output for one in answers if isinstance(one, Completion) and one.usage] == [3, 5, 6]


@everywhere
def test_a_batch_is_called_by_names_that_its_provider_takes(
    batching: Callable[..., Batching], config: Configured
) -> None:
    """Every line has an id of at most 64 characters, made of the name of the batch."""
    made = batching(config)
    requests = made.requests("a", "b")
    made.submit(made.plan(requests, "n" * 48), requests)
    ids = [line for one in made.provider.batches.values() for line, _ in one.lines]
    assert all(line.startswith("n" * 48) and len(line) <= 64 for line in ids)
    for name in ("", "A", "a_b", "n" * 49, "a--b"):
        with pytest.raises(ValueError, match="no name of a batch"):
            made.plan(requests, name)


@everywhere
def test_no_secret_is_kept_of_a_batch(batching: Callable[..., Batching], config: Configured) -> None:
    """What is written down of a batch names its lines and nothing else, and nobody is sent the key in a body."""
    made = batching(config)
    requests = made.requests("a", "b")
    batch = made.submit(made.plan(requests), requests)
    assert SECRET not in repr(batch)
    assert all(SECRET.encode() not in call.body for call in made.provider.calls)


@everywhere
def test_a_batch_that_goes_on_is_waited_for(batching: Callable[..., Batching], config: Configured) -> None:
    """A state is told as often as it is asked for, until the batch has ended."""
    made = batching(config, Outcome(polls=3))
    requests = made.requests("a", "b")
    batch = made.submit(made.plan(requests), requests)
    states = [made.world.run(made.walk.look(batch)) for _ in range(4)]
    assert [type(state) for state in states] == [Waiting] * 3 + [Ended]


@completes
def test_lines_that_fail_have_errors_as_their_calls_would(
    batching: Callable[..., Batching], config: Configured
) -> None:
    """The status, the words and the kind are those of a call by itself; the other lines have their answers."""
    answers = batching(config, Outcome(statuses={0: 429, 1: 500, 2: 400})).answers("one", "two", "three", "four")
    *failed, good = answers
    assert isinstance(good, Completion)
    assert all(isinstance(one, InferenceError) for one in failed)
    kinds = [one.kind for one in failed if isinstance(one, InferenceError)]
    assert kinds == [Kind.RATE_LIMITED, Kind.INTERNAL, Kind.INVALID]
    for status, one in zip((429, 500, 400), failed, strict=True):
        assert isinstance(one, InferenceError)
        assert f"status [{status}]. Error message: [line refused with {status}]" in str(one)


@everywhere
def test_a_batch_of_which_all_lines_failed_tells_why(batching: Callable[..., Batching], config: Configured) -> None:
    """One that is completed has an error for each input, though it has no file of answers."""
    made = batching(config, Outcome(statuses=dict.fromkeys(range(9), 400)))
    answers = made.answers("one", "two")
    errors = (
        [one for one in answers if isinstance(one, InferenceError)]
        if made.generates
        else [error for one in answers if isinstance(one, Embeddings) for error in one.errors.values()]
    )
    assert [error.kind for error in errors] == [Kind.INVALID] * 2
    assert not made.provider.paid


def test_an_error_of_several_inputs_is_about_none(batching: Callable[..., Batching]) -> None:
    """Any of the inputs of a line may be at fault; the only input of one is."""
    refusing = Outcome(statuses={0: 400})
    (several,) = batching(OPENAI, refusing).answers("one", "two")
    (alone,) = batching(TITAN, refusing).answers("one", "two")
    assert isinstance(several, Embeddings)
    assert isinstance(alone, Embeddings)
    assert [error.index for error in several.errors.values()] == [None, None]
    assert {place: error.index for place, error in alone.errors.items()} == {0: 0}


@completes
def test_what_a_batch_did_not_come_to_failed_for_now(batching: Callable[..., Batching], config: Configured) -> None:
    """Of one that expired half, the half that is done has its answers, and nobody's request is refused."""
    answers = batching(config, Outcome(end="expired", done=0.5)).answers("one", "two", "three", "four")
    assert [type(one) for one in answers[:2]] == [Completion] * 2
    for late in answers[2:]:
        assert isinstance(late, InferenceError)
        assert late.kind in (Kind.TIMED_OUT, Kind.INTERNAL, Kind.CUT_OFF)


@everywhere
def test_a_full_queue_is_no_fault_of_the_batch(batching: Callable[..., Batching], config: Configured) -> None:
    """Whether the provider says so when it is asked to make one, or of the one that was made: nothing is paid."""
    made = batching(config, *[Outcome(end="full", polls=0)] * 9)
    requests = made.requests("a", "b")

    def act() -> None:
        batch = made.submit(made.plan(requests), requests)
        made.collect(batch, made.ended(batch), requests)

    error = refused(act)
    assert (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "provider")
    assert not made.provider.handed


def test_a_file_that_is_refused_is_told_of(batching: Callable[..., Batching]) -> None:
    """A batch that failed as a whole has its provider's words, and no request of it has an answer."""
    error = refused(lambda: batching(TITAN, Outcome(end="invalid")).answers("a", "b"))
    assert (error.kind, "the file is wrong" in str(error)) == (Kind.INVALID, True)


@everywhere
@pytest.mark.parametrize("lost", [Outcome(heard=False), Outcome(status=503)], ids=["unheard", "failed"])
def test_a_batch_is_never_made_a_second_time_by_itself(
    batching: Callable[..., Batching], config: Configured, lost: Outcome
) -> None:
    """Where the reply to its creation does not come, it is found again by its name or by its size, and read."""
    made = batching(config, *[lost] * (1 if lost.heard else 3))
    requests = made.requests("a", "bb", "ccc")
    batch = made.plan(requests)
    try:
        submitted: PlannedBatch | None = made.submit(batch, requests)
    except FateUnknownError:
        submitted = made.world.run(made.walk.adopt(batch))
    creations = [call for call in made.provider.calls if call.method == "POST" and "/files" not in call.url]
    assert len(creations) == 1 or config is TITAN  # whose batches have a token
    assert made.provider.handed.total() == (0 if submitted is None else 3)
    if not lost.heard:
        assert submitted is not None
        answers = made.collect(submitted, made.ended(submitted), requests)
        assert len(answers) == len(requests)
        assert made.provider.paid == made.provider.handed


@everywhere
def test_the_batch_of_somebody_else_is_not_adopted(batching: Callable[..., Batching], config: Configured) -> None:
    """One of another name, or where there are no names of another size, or known to be another's, stays where it is."""
    made = batching(config)
    larger = made.requests("a", "bb", "ccc", "dddd")
    other = made.submit(made.plan(larger, "other"), larger)
    requests = made.requests("a", "bb", "ccc")
    batch = made.plan(requests, "mine")
    assert made.world.run(made.walk.adopt(batch)) is None
    assert made.world.run(made.walk.adopt(made.plan(larger, "mine"), frozenset({other.id}))) is None


@pytest.mark.parametrize("config", [CLAUDE, CHAT], ids=["anthropic", "openai"])
def test_an_orphan_is_looked_for_on_every_page(batching: Callable[..., Batching], config: Configured) -> None:
    """Until the pages come to batches that are older than it."""
    made = batching(config)
    requests = made.requests("a", "bb")
    mine = made.submit(made.plan(requests, "mine"), requests)
    for place in range(120):
        more = made.requests("other")
        made.submit(made.plan(more, f"other-{place}"), more)
    adopted = made.world.run(made.walk.adopt(made.plan(requests, "mine")))
    assert adopted is not None
    assert adopted.id == mine.id


def test_the_answers_of_another_batch_are_not_taken(batching: Callable[..., Batching]) -> None:
    """A batch of the same size that was adopted wrongly is told by the ids of its lines."""
    made = batching(CLAUDE)
    requests = made.requests("a", "bb")
    other = made.submit(made.plan(requests, "other"), requests)
    batch = made.plan(requests, "mine")
    adopted = made.world.run(made.walk.adopt(batch))
    assert adopted is not None
    assert adopted.id == other.id
    error = refused(lambda: made.collect(adopted, made.ended(adopted), requests))
    assert (error.kind, "which was not asked in it" in str(error)) == (Kind.CONFLICT, True)


@pytest.mark.parametrize("config", [CLAUDE, CHAT], ids=["anthropic", "openai"])
def test_fewer_answers_than_there_are_is_an_error(batching: Callable[..., Batching], config: Configured) -> None:
    """A file that does not have what the provider counts is fetched again later, and nothing is deleted before."""
    made = batching(config, Outcome(hidden=1))
    requests = made.requests("a", "bb", "ccc")
    batch = made.submit(made.plan(requests), requests)
    ended = made.ended(batch)
    error = refused(lambda: made.collect(batch, ended, requests))
    assert (error.kind, "[3] answers, of which [2]" in str(error)) == (Kind.UNREADABLE, True)
    assert [type(one) for one in made.collect(batch, ended, requests)] == [Completion] * 3


@everywhere
def test_what_is_left_of_a_batch_is_deleted(batching: Callable[..., Batching], config: Configured) -> None:
    """All its files, and once more without an error."""
    made = batching(config)
    requests = made.requests("a", "bb")
    batch = made.submit(made.plan(requests), requests)
    ended = made.ended(batch)
    made.collect(batch, ended, requests)
    for _ in range(2):
        made.world.run(made.walk.discard(batch, ended))
    left = (made.provider.files, made.provider.objects)
    assert left == ({}, {})


@everywhere
def test_a_batch_is_ended_early_and_what_is_done_is_read(batching: Callable[..., Batching], config: Configured) -> None:
    """Cancelled once, twice or after its end, it has the answers that were paid, and errors for the others."""
    made = batching(config, Outcome(polls=99))
    requests = made.requests("a", "bb", "ccc", "dddd")
    batch = made.submit(made.plan(requests), requests)
    for _ in range(2):
        made.world.run(made.walk.cancel(batch))
    answers = made.collect(batch, made.ended(batch), requests)
    if made.generates:
        assert sum(isinstance(one, Completion) for one in answers) == made.provider.paid.total()
    else:
        (answer,) = answers
        assert isinstance(answer, Embeddings)
        assert len(answer.vectors) - len(answer.errors) == made.provider.paid.total()


def test_chunks_of_long_texts_share_the_lines(batching: Callable[..., Batching]) -> None:
    """Each text has its chunks with their offsets and vectors, as in a call."""
    made = batching(OPENAI)
    texts = ("word " * 600, "short")
    (answer,) = made.answers(*texts, chunking=Chunking(return_text=True))
    called = made.world.infer("e", *texts, chunking=Chunking(return_text=True))
    assert isinstance(answer, ChunkedEmbeddings)
    assert isinstance(called, ChunkedEmbeddings)
    spans = [[(one.start_offset, one.end_offset, one.text) for one in chunks] for chunks in answer.inputs]
    assert spans == [[(one.start_offset, one.end_offset, one.text) for one in chunks] for chunks in called.inputs]
    assert len(spans[0]) > 1
    firsts = [json.loads(bytes(one.vector))[0] for one in answer.inputs[0]]
    assert firsts == [end - start for start, end, _ in spans[0]]


def test_vectors_are_asked_for_in_the_smaller_form(batching: Callable[..., Batching]) -> None:
    """Where a request takes them packed, a file of answers of OpenAI has them in base64."""
    made = batching(OPENAI)
    (answer,) = made.answers("a", "bb", packed=True)
    (one,) = made.provider.batches.values()
    assert [body["encoding_format"] for _, body in one.lines] == ["base64"]
    assert isinstance(answer, Embeddings)
    assert answer.numbers() == [[1.0, 0.0, 1.0], [2.0, 0.0, 1.0]]


def test_what_is_too_much_for_one_batch_is_refused(batching: Callable[..., Batching]) -> None:
    """More inputs, or lines, than the provider takes are refused before anything is sent."""
    made = batching(OPENAI)
    error = refused(lambda: made.plan(made.requests(*map(str, range(50_001)))))
    assert (error.kind, "[50001] inputs" in str(error)) == (Kind.INVALID, True)
    assert not made.provider.calls


def test_settings_that_batches_need_are_named(batching: Callable[..., Batching]) -> None:
    """An endpoint without them, or of a service without batches, is refused by name."""
    plain = {name: value for name, value in AMAZON.items() if not name.startswith("batch_")}
    error = refused(lambda: batching((EMBEDDING, bedrock("amazontitan", plain))).answers("a"))
    assert "Batches need the service settings [batch_role_arn, batch_s3_uri]" in str(error)
    elsewhere = (EMBEDDING, openai({"url": "https://gateway.test/embed"}))
    assert "ends with [/embeddings]" in str(refused(lambda: batching(elsewhere).answers("a")))
    none = (EMBEDDING, {"service": "mistral", "service_settings": {"api_key": SECRET, "model": "m"}})
    error = refused(lambda: batching(none).answers("a"))
    assert (error.kind, "[mistral] has no batches" in str(error)) == (Kind.UNSUPPORTED, True)
