"""Credentials in whatever form they come."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from making_keys import make
from world import World

from inferpoint.access.callers import Callers
from inferpoint.access.credentials import Credentials, made, read
from inferpoint.errors import InferenceError, Kind

KEY = made()


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = {
    "ApiKey": f"ApiKey {KEY.encoded}",
    "ApiKey in small letters": f"apikey  {KEY.encoded} ",
    "ApiKey as it is": f"ApiKey {KEY.id}:{KEY.secret}",
    "Bearer": f"Bearer {KEY.encoded}",
    "Basic": f"Basic {base64_of(f'{KEY.id}:{KEY.secret}')}",
    "Basic with all of it as the password": f"Basic {base64_of(f'anybody:{KEY.encoded}')}",
}


@pytest.mark.parametrize("header", FORMS.values(), ids=FORMS.keys())
def test_every_form_holds_the_same_credentials(header: str) -> None:
    """A client sends a key in the form that it knows."""
    assert read(header) == KEY


@pytest.mark.parametrize(
    "header",
    [
        "",
        "ApiKey",
        "Negotiate abc",
        f"Basic {base64_of('user:')}",
        f"Basic {base64_of('no colon')}",
        "Basic ???",
        f"ApiKey {base64_of(':secret')}",
        f"ApiKey {base64_of('id:')}",
        f"ApiKey {'x' * 2000}",
    ],
)
def test_what_holds_none(header: str) -> None:
    """A header without an id and a secret in it is nobody's."""
    assert read(header) is None


def test_a_secret_alone_is_the_administrators() -> None:
    """Whoever chose a key without an id sends it as it is, by every scheme."""
    alone = "0123456789abcdef0123456789abcdef"
    assert {read(f"{scheme} {alone}") for scheme in ("ApiKey", "Bearer")} == {Credentials("admin", alone)}


@given(st.text())
@example(f"ApiKey {base64_of('ü:ü')}")
def test_any_header_is_read_or_none(header: str) -> None:
    """Whatever is sent holds credentials or holds none, and breaks nothing."""
    asked = read(header)
    assert asked is None or (asked.id and asked.secret)


def test_credentials_are_words_and_show_no_secret() -> None:
    """What is sent is one word of letters and digits, and what is printed by mistake has no secret in it."""
    for credentials in (made() for _ in range(50)):
        assert credentials.encoded.isalnum()
        assert len(credentials.secret) >= 22
        assert credentials.secret not in repr(credentials)
        assert credentials.secret not in credentials.hash


def refusal(callers: Callers, header: str) -> tuple[Kind, str]:
    with pytest.raises(InferenceError) as caught:
        callers.of({"authorization": header}, 0.0)
    return caught.value.kind, str(caught.value)


def test_an_unknown_id_and_a_wrong_secret_are_refused_alike(world: World) -> None:
    """Nobody learns from an answer which keys there are."""
    _, known = make(world, "all")
    callers = Callers(world.keys, is_open=True)
    wrong = Credentials(known.id, "x" * len(known.secret))
    nearly = Credentials(known.id, known.secret[:-1])
    unknown = Credentials("nobody", known.secret)
    answers = {refusal(callers, f"ApiKey {one.encoded}") for one in (wrong, nearly, unknown)}
    answers |= {refusal(callers, "ApiKey x"), refusal(callers, "Nonsense")}
    assert len(answers) == 1
    assert next(iter(answers))[0] is Kind.UNAUTHENTICATED


def test_a_header_of_its_own_goes_first(world: World) -> None:
    """Behind a proxy that has credentials of its own in one header, the key is in the other."""
    key, known = make(world, "monitor_inference")
    callers = Callers(world.keys, is_open=True)
    headers = {"authorization": "Basic cHJveHk6cHJveHk=", "x-api-key": known.encoded}
    for _ in range(2):  # remembered or not
        assert callers.of(headers, 0.0).name == key.id


def test_more_headers_than_are_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound, and whoever is forgotten is known again."""
    monkeypatch.setattr("inferpoint.access.callers.MOST", 2)
    keys = [make(world, "monitor_inference") for _ in range(4)]
    callers = Callers(world.keys, is_open=False)
    for _ in range(3):
        for key, known in keys:
            assert callers.of({"authorization": f"ApiKey {known.encoded}"}, 0.0).name == key.id
