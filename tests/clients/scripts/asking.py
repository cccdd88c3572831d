"""What every client is asked to do, and how its script says what came of it: one JSON object for each service."""

import json
import sys
import traceback
from dataclasses import dataclass

STORY = "tell a story"
QUESTION = "What is the weather in Paris and in Oslo?"
PERSON = "invent a person"
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"name": "person", "schema": SCHEMA, "strict": True}
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather in a city.", "parameters": PLACE},
}


@dataclass(frozen=True)
class Asked:
    """Where the server is, and the endpoints of one service."""

    url: str
    chat: str
    embedding: str


def answered(arguments) -> str:
    """What the tool says; its arguments come as JSON or read."""
    given = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"Paris": "21 degrees", "Oslo": "3 degrees"}[given["city"]]


def kind(act) -> str:
    """The class of the exception that *act* raises."""
    try:
        act()
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "nothing"


def run(*abilities) -> None:
    """Do each for each service that the command line names, and print what came of it."""
    found = {}
    for name, given in json.loads(sys.argv[1]).items():
        found[name] = {each.__name__: _done(each, Asked(**given)) for each in abilities}
    print(json.dumps(found))


def _done(ability, asked: Asked):
    if ability.__name__.startswith("embeddings") and not asked.embedding:
        return None
    try:
        return ability(asked)
    except Exception as error:  # noqa: BLE001
        print(traceback.format_exc(), file=sys.stderr)
        return f"{type(error).__name__}: {error}"
