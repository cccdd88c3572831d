"""instructor, over openai's client: objects by tools, and by a JSON schema."""

import instructor
from asking import INVENT, MODEL, URL, invent_by, run
from openai import OpenAI
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def person(mode: instructor.Mode, text: str) -> dict:
    client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key="none"), mode=mode)
    messages = [{"role": "user", "content": text}]
    return client.create(model=MODEL, messages=messages, response_model=Person, max_retries=1).model_dump()


def structured() -> dict:
    return person(instructor.Mode.JSON_SCHEMA, INVENT)


def structured_by_a_tool() -> dict:
    return person(instructor.Mode.TOOLS, invent_by("Person"))


def streamed_structure() -> dict:
    client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key="none"))
    messages = [{"role": "user", "content": invent_by("PartialPerson")}]
    return list(client.create_partial(model=MODEL, messages=messages, response_model=Person))[-1].model_dump()


run(structured, structured_by_a_tool, streamed_structure)
