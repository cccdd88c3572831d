"""What every agent is asked to do, and how its script says what came of it: one JSON object."""

import asyncio
import inspect
import json
import sys
import traceback

GIVEN = json.loads(sys.argv[1])
URL, MODEL = GIVEN["url"], GIVEN["model"]
QUESTION = 'Call weather with {"city": "Paris"}. Call weather with {"city": "Oslo"}. Tell me what it says.'
PERSON = {"name": "Ada", "age": 36}
INVENT = f"Invent a person. Answer with {json.dumps(PERSON)}"


def invent_by(tool: str) -> str:
    """The question whose answer is the arguments of a *tool*."""
    return f"Invent a person. Call {tool} with {json.dumps(PERSON)}"


def weather(city: str) -> str:
    """The weather in a city."""
    return {"Paris": "21 degrees", "Oslo": "3 degrees"}[city]


def run(*abilities) -> None:
    """Do each, and print what came of it."""
    print(json.dumps({ability.__name__: _done(ability) for ability in abilities}))


def _done(ability):
    try:
        result = ability()
        return asyncio.run(result) if inspect.isawaitable(result) else result
    except Exception as error:  # noqa: BLE001
        print(traceback.format_exc(), file=sys.stderr)
        return f"{type(error).__name__}: {error}"
