"""The files of a service's conversations: what was asked of a provider, the call, the reply, and what it means.

The file of a task is called `<task type>.json` and is a `File`, written as JSON::

    {
      "conversations": [
        {
          "origin": "Acme's API reference, example of Embed (docs.acme.example/embed)",
          "settings": {"api_key": "sk-canary-0123456789", "model_id": "acme-1"},
          "options": {},
          "input": ["a", "b"],
          "call": {
            "method": "POST",
            "url": "https://api.acme.example/v1/embed",
            "headers": {"content-type": "application/json", "authorization": "Bearer sk-canary-0123456789"},
            "body": {"model": "acme-1", "texts": ["a", "b"]}
          },
          "reply": {"headers": {"content-type": "application/json"}, "body": {"vectors": [[0.5, 1], [1, 0]]}},
          "result": {"embeddings": [[0.5, 1], [1, 0]], "usage": null}
        }
      ],
      "refusals": [
        {
          "origin": "Acme's API reference, Errors",
          "status": 401,
          "body": {"error": "no such key"},
          "said": {"message": "no such key", "type": null, "code": null, "param": null}
        }
      ],
      "many": {"inputs": ["texts"], "reply": {"vectors": []}, "rows": ["vectors"], "row": "<vector>"}
    }

A service that speaks another's dialect writes its differences only. With `"as": "openai"` what stands in the file of
that name in the folder `openai`, beside its own, is also its own; `"each"` is a JSON merge patch (RFC 7386) that makes
each of those conversations one of the service::

    {
      "as": "openai",
      "each": {"origin": "Acme's guide to OpenAI compatibility", "call": {"url": "https://api.acme.example/v1/chat"}}
    }
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from inferpoint.model.requests import Medium


class RecordedCall(msgspec.Struct, frozen=True):
    """A call exactly as it must leave, signed at noon (UTC) on the 20th of November 2026; `body` is its JSON."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any


class RecordedReply(msgspec.Struct, frozen=True):
    """A reply as it came: JSON in `body`, or bytes in the file named `file` beside this one."""

    headers: dict[str, str] = {}
    status: int = 200
    body: Any = None
    file: str | None = None


class Recording(msgspec.Struct, frozen=True):
    """One request and its reply.

    What is asked stands in `input` (texts, or `{"image": <data URI>}`), in `query` and `documents`, or in
    `conversation`, the members of a request in OpenAI's form. `result` is what a whole reply means, with `usage`:
    `embeddings` or sparse `weights` (and `cut`), `ranked` documents (index, score, text), or `choices` (`text`,
    `reason`, and where there are any `tool_calls`, `reasoning` or `thoughts` that are sealed, `stop_sequence`) with
    `id` and `model`. A conversation with `stream` has `deltas` instead, each a list of its type's name and its values,
    of which the last may be left out where they are the usual ones. A stream that is `unmarked` has no last event: it
    ends with its body. `origin_address` is for a service that was moved. With `packed` vectors may come as base64; the
    result has their numbers.
    """

    origin: str
    settings: dict[str, Any]
    call: RecordedCall
    reply: RecordedReply
    input: list[str | dict[Medium, str]] = []
    query: str | None = None
    documents: list[str] = []
    conversation: dict[str, Any] | None = None
    options: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    stream: bool = False
    packed: bool = False
    deltas: list[list[Any]] | None = None
    unmarked: bool = False
    origin_address: str | None = None


class RecordedRefusal(msgspec.Struct, frozen=True):
    """An error as the provider answers it, and what it `said`: its message, type, code and param."""

    origin: str
    status: int
    body: Any
    said: dict[str, str | None]


class Many(msgspec.Struct, frozen=True):
    """How the provider answers any number of texts, so that their order can be seen.

    The texts are at the path `inputs` of the call's body, where one may stand alone, or at the path `text` of each of
    the things there; the rows go to the path `rows` of `reply`. Each is like `row`, with `"<vector>"`, `"<number>"` and
    `"<index>"` filled in. Rows that carry an index come in any order: `by_index`.
    """

    inputs: list[str | int]
    reply: Any
    row: Any
    rows: list[str | int] = []
    text: list[str | int] = []
    by_index: bool = False


class File(msgspec.Struct, frozen=True):
    """All that is known of one task. An embedding task also has `many`; members of other names are yours."""

    conversations: list[Recording] = []
    refusals: list[RecordedRefusal] = []
    many: Many | None = None


def load(path: Path) -> File:
    """The file at *path*, with what it takes from another; an `AssertionError` says what is wrong with it."""
    try:
        return msgspec.convert(_members(path), File)
    except FileNotFoundError as error:
        missing = Path(error.filename)
        problem = f"The task has no conversations: there is no file {missing.parent.name}/{missing.name}"
        raise AssertionError(problem) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AssertionError(f"{path.name} is not a file of conversations: {error}") from None


def _members(path: Path) -> dict[str, Any]:
    members = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    dialect = members.get("as")
    if not isinstance(dialect, str):
        return members
    spoken = _members(path.parent.parent / dialect / path.name)
    patch = members.get("each", {})
    taken = [merged(_from(dialect, recording), patch) for recording in spoken.get("conversations", ())]
    return {
        **spoken,
        **members,
        "conversations": [*taken, *members.get("conversations", ())],
        "refusals": [*spoken.get("refusals", ()), *members.get("refusals", ())],
    }


def _from(folder: str, recording: Any) -> Any:
    """*recording* with the file of its reply looked for in the *folder* beside."""
    match recording:
        case {"reply": {"file": str(name)}}:
            return merged(recording, {"reply": {"file": f"../{folder}/{name}"}})
        case _:
            return recording


def merged(value: Any, patch: Any) -> Any:
    """*value* with the JSON merge *patch* applied (RFC 7386): members that are null in the patch go."""
    if not isinstance(patch, dict):
        return patch
    members: dict[str, Any] = dict(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else {}
    for name, change in cast("Mapping[str, Any]", patch).items():
        if change is None:
            members.pop(name, None)
        else:
            members[name] = merged(members.get(name), change)
    return members
