"""Secrets in a text: none is left, in whichever form, and all that is not one is."""

from __future__ import annotations

import math
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quoted_secrets import FORMS
from rich.pretty import pretty_repr

from inferpoint.model.http import Call, Reply
from inferpoint.model.secrets import Secrets

KEYS = [
    "sk-proj-0123456789",
    "s3cret/+canary",
    'a "key" \\ of/all + 100%2F =?&<> ünï 日本 😀\r\n\t~',
    "%25%%",
    "////",
    r"\\\/",
]
# What the mask itself spells is no secret that is told.
SOME = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", [name for name in FORMS if ":secret" not in name])
def test_a_secret_is_hidden_in_every_form(form: str, key: str) -> None:
    """All of the secret and nothing beside it is hidden, however it is written."""
    assert Secrets((key,)).hide(f"who is <{FORMS[form](key)}>?") == "who is <***>?"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("before", ["", ":", "a:", "ab:", "abc:"])
@pytest.mark.parametrize("after", ["", ":", ":b", ":bc"])
def test_a_secret_is_hidden_inside_of_base64(before: str, key: str, after: str) -> None:
    """Wherever it begins and ends in what is encoded, only letters that hold nothing of it are left."""
    encoded = b64encode(f"{before}{key}{after}".encode()).decode().rstrip("=")
    begin, end = len(before.encode()), len(f"{before}{key}".encode())
    left = encoded[: begin * 8 // 6], encoded[math.ceil(end * 8 / 6) :]
    assert Secrets((key,)).hide(encoded) == "***".join(left)


def letters(secret: str) -> list[str]:
    """The letters of base64 that hold nothing but *secret*, wherever it begins."""
    encoded = secret.encode()
    return [
        b64encode(bytes(before) + encoded).decode()[math.ceil(before * 8 / 6) : (before + len(encoded)) * 8 // 6]
        for before in range(3)
    ]


@given(SOME, st.sampled_from(sorted(FORMS)), st.text(), st.text())
def test_no_form_survives(secret: str, form: str, before: str, after: str) -> None:
    """For any secret in any text nothing is left of it, in none of the forms."""
    hidden = Secrets((secret,)).hide(before + FORMS[form](secret) + after)
    assert not [name for name, write in FORMS.items() if write(secret) in hidden]
    assert not [core for core in letters(secret) if core in hidden]


@given(st.lists(SOME, max_size=3), st.data(), st.integers(0, 100))
def test_the_start_of_a_text_is_that_of_all_of_it(secrets: list[str], data: st.DataObject, length: int) -> None:
    """However many secrets are in it, and wherever it is cut, the start is as if all had been hidden before."""
    quoted = [write(secret) for secret in secrets for write in FORMS.values()]
    text = "".join(data.draw(st.lists(st.text() | st.sampled_from(quoted) if quoted else st.text(), max_size=8)))
    mask = Secrets(tuple(secrets))
    assert mask.hide_start(text, length) == mask.hide(text)[:length]


@pytest.mark.parametrize(
    ("secrets", "text", "left"),
    [
        ((), "nothing is secret", "nothing is secret"),
        (("",), "neither is nothing", "neither is nothing"),
        (("abcd",), "xabcdx Abcd", "x***x Abcd"),
        (("abc",), "abcd (abc) xabc, abc", "abcd (***) xabc, ***"),
        (("a+b",), "a%2Bb a%2bb a%2bbc", "*** *** a%2bbc"),
        (("a",), f"as a word, {b64encode(b'a').decode()}", "as *** word, YQ=="),
        (("abcdef", "abcdefgh", "efgh"), "abcdefgh abcdef efgh", "*** *** ***"),
        (("k" * 50,), "k" * 120, "******" + "k" * 20),
    ],
)  # fmt: skip
def test_what_is_hidden_and_what_is_not(secrets: tuple[str, ...], text: str, left: str) -> None:
    """Short secrets are hidden as words, so that others keep theirs; of several secrets the longest goes first."""
    assert Secrets(secrets).hide(text) == left


@pytest.mark.parametrize("character", ["\\", "%", "+", " ", "/", '"'])
def test_what_is_all_escapes_is_looked_for_in_linear_time(character: str) -> None:
    """A text that comes close in many ways to a secret is read to its end."""
    text = character * 5000
    assert Secrets((character * 200 + "x",)).hide(text) == text


def test_secrets_are_not_shown_themselves() -> None:
    """What hides them can be printed."""
    assert "canary" not in repr(Secrets(("canary",)))


def test_a_call_and_its_reply_are_shown_without_what_is_in_them() -> None:
    """Keys go in headers, in queries and in bodies, and replies quote them: none of these is in a log by accident."""
    call = Call("https://a.test/x?key=canary", b"canary", {"authorization": "canary"})
    reply = Reply(200, b"canary", {"x": "canary"})
    assert "canary" not in pretty_repr(call) + pretty_repr(reply)
    assert (repr(call), repr(reply)) == (
        "Call(POST https://a.test/x)",
        "Reply(200, 6 bytes)",
    )
