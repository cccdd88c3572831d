"""What the SDKs send or read otherwise than we do, each with the reason why that is no fault.

By service and package: `path`; `header NAME`; `with MEMBER`, which the SDK alone sends; `without MEMBER`, which we
alone send; `MEMBER`, of which the values differ. Of one conversation, by its task and number: that the SDK does not
send or read it at all, or the part of the answer that it understands otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

NUMBERS = {"with encoding_format": "the SDK asks for base64 unless told; numbers are the provider's own default"}
REFUSAL = "a refusal is a text of ours, as in Elasticsearch; the SDK has it apart"

APART: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("alibabacloud-ai-search", "alibabacloud-searchplat20240529"): {
        "rerank 1 ranked": "the API has no `top_n`, so we keep the best ourselves",
        "rerank 2 ranked": "likewise",
        "sparse_embedding 1 weights": "we leave out weights of 0 and tokens with a dot, which no index can hold",
        "sparse_embedding 3 weights": "likewise",
    },
    ("anthropic", "anthropic"): {
        "header authorization": "the SDK sends the key as a bearer's; the API's reference has `x-api-key`",
        "header x-api-key": "likewise",
        "without temperature": "newer models take no sampling, so the SDK has no parameter for it; older ones do",
        "without top_k": "likewise",
        "without top_p": "likewise",
    },
    ("azureaistudio", "azure-ai-inference"): {
        "path": "the target is a user's own, to which Elasticsearch adds `/v1/...`; the SDK adds a version",
        "header api-key": "the SDK sends a key in both headers, of which a deployment reads one",
        "header authorization": "likewise: OpenAI's models read `api-key`",
        "header extra-parameters": "OpenAI's models know `user`, which the SDK takes for a member of a model's own",
        "completion 2 not sent": "the SDK calls no `realtime` endpoints",
    },
    ("azureopenai", "openai"): {"with model": "the SDK names the deployment twice; its place is the address"},
    ("cohere", "cohere"): {
        "without max_chunks_per_doc": "a setting of Elasticsearch's, which the API's first version has",
        "text_embedding 4 not read": "a recorded gateway answers in the form of the first version",
    },
    ("fireworksai", "fireworks-ai"): {
        "without stream_options": "the SDK has no parameter for it; Elasticsearch sends it, and the cost comes last",
    },
    ("fireworksai", "openai"): NUMBERS,
    ("googleaistudio", "google-genai"): {
        "with generationConfig": "the SDK sends it empty where nothing was asked for",
        "text_embedding 2 embeddings": "we make shorter vectors of Gemini's as long as a dot product needs",
    },
    ("googlevertexai", "anthropic"): {
        "anthropic_version": "the SDK's own refuses sampling, which older models take; Google's guide has 2023",
        "header authorization": "the token is of a grant, which recordings leave out",
    },
    ("googlevertexai", "google-genai"): {
        "header authorization": "the token is of a grant, which recordings leave out",
        "with generationConfig": "the SDK sends it empty where nothing was asked for",
        "without parameters": "likewise, we send Elasticsearch's empty object",
        "path": "the first of Gemini's models is called by `predict` in Google's reference and by Elasticsearch",
        "with content": "likewise",
        "with embedContentConfig": "likewise",
        "without instances": "likewise",
        "text_embedding 3 embeddings": "we make shorter vectors of Gemini's as long as a dot product needs",
    },
    ("groq", "groq"): {
        "header openai-organization": "a setting of Elasticsearch's, which the SDK does not have",
        "without stream_options": "a member that the SDK's types tell of, and its method has no parameter for",
        "completion 2 text": REFUSAL,
    },
    ("hugging_face", "huggingface-hub"): {
        "with model": "the SDK fills in a name; a server of one model needs none",
        "text_embedding 2 not read": "a recorded server answers in a form that the SDK does not know",
    },
    ("jinaai", "litellm"): {"with return_documents": "litellm sends its own default"},
    ("jinaai", "openai"): NUMBERS,
    ("llama", "llama-stack-client"): {
        "text_embedding 2 not read": "a recorded server answers a list alone",
        "text_embedding 3 not read": "a recorded server answers in OpenAI's form, as newer ones do",
    },
    ("mistral", "mistralai"): {"text_embedding 3 not read": "the SDK asks for base64, and reads numbers alone"},
    ("nvidia", "langchain-nvidia-ai-endpoints"): {
        "encoding_format": "the SDK asks for numbers always; the API's reference has base64 too",
        "text_embedding 3 embeddings": "likewise",
        "path": "the SDK's path is that of a server of one's own; the recorded one is of NVIDIA's",
        "with encoding_format": "the SDK asks for numbers, which is the provider's own default",
        "with truncate": "the SDK sends the provider's default",
    },
    ("openai", "openai"): {
        "text_embedding 2 embeddings": "the SDK reads base64 only where it asked for it",
        "completion 2 text": REFUSAL,
    },
    ("openshift_ai", "openai"): {
        **NUMBERS,
        "with model": "the SDK makes no call without one, which a server of one model needs",
    },
    ("voyageai", "voyageai"): {
        "with encoding_format": "the SDK asks for base64; numbers are the provider's own default",
        "with input_type": "the SDK sends null for what is not set",
        "with output_dimension": "likewise",
        "with top_k": "likewise",
        "with truncation": "the SDK sends the provider's default",
        "without return_documents": "the SDK has no parameter for it; the API's reference has",
    },
    ("watsonxai", "ibm-watsonx-ai"): {
        "header authorization": "the SDK takes a token without dots, as the recorded one is, for one of other software",
    },
}
