"""The openai SDK, by which these providers' own documentation has them called."""

from urllib.parse import unquote

from judging import Exchange, chatted, embedded, run, streamed
from openai import AzureOpenAI, OpenAI

BASES = {
    "deepseek": "",
    "fireworksai": "/inference/v1",
    "llama": "/v1/openai/v1",
}


def client(asked: Exchange) -> OpenAI:
    if asked.service == "azureopenai":
        entra = asked.settings.get("entra_id")
        key = {"azure_ad_token": entra} if entra else {"api_key": asked.key}
        return AzureOpenAI(
            azure_endpoint=asked.address,
            azure_deployment=asked.settings["deployment_id"],
            api_version=asked.settings["api_version"],
            **key,
        )
    base = BASES.get(asked.service, "/v1")
    return OpenAI(base_url=asked.address + base, api_key=asked.key, organization=asked.settings.get("organization_id"))


def sent(asked: Exchange, own: set[str]) -> dict:
    """The body as arguments: *own* members that only this provider has go the way that its documentation says."""
    model = {"model": unquote(asked.settings["deployment_id"])} if asked.service == "azureopenai" else {}
    more = {name: value for name, value in asked.body.items() if name in own}
    rest = {name: value for name, value in asked.body.items() if name not in own}
    return {"model": "", **model, **rest, "extra_body": more}


def chat(asked: Exchange) -> dict:
    answer = client(asked).chat.completions.create(**sent(asked, set()))
    return streamed(answer) if asked.body.get("stream") else chatted(answer)


def embed(asked: Exchange) -> dict:
    own = {"input_type", "truncate", "task", "late_chunking", "embedding_type"}
    return embedded(client(asked).embeddings.create(**sent(asked, own)))


run({"chat_completion": chat, "completion": chat, "text_embedding": embed})
