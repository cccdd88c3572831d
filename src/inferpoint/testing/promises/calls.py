"""Promises of how a request becomes a call, and of the queue it waits in."""

from __future__ import annotations

import itertools
from dataclasses import asdict

import msgspec
from msgspec.structs import replace

from inferpoint.model.endpoint import Endpoint
from inferpoint.model.secrets import Secrets
from inferpoint.model.settings import declared, hidden, public, secrets
from inferpoint.protocols.embedding_settings import SIMILARITIES
from inferpoint.testing.conversations import Exchange
from inferpoint.testing.promises.checks import must, same, texts


def the_call_is_exactly_the_recorded_one(exchange: Exchange) -> None:
    """Encoded, then signed, a request is the call that the provider documents: method, address, headers, body."""
    call, wanted = exchange.signed(exchange.encoded()), exchange.recording.call
    same("the method", call.method, wanted.method)
    same("the address", call.url, wanted.url)
    same("the headers", dict(call.headers), wanted.headers)
    same("the body", msgspec.json.decode(call.body), wanted.body)


def encoding_twice_is_the_same_and_changes_nothing(exchange: Exchange) -> None:
    """Equal requests make equal bytes, and encoding leaves them as they were."""
    arguments = exchange.request, exchange.settings, exchange.options
    before = repr((arguments, *map(secrets, arguments[1:3])))
    first, second = (exchange.task.encode(*arguments, exchange.origin) for _ in range(2))
    same("the second call", (second, second.body, dict(second.headers)), (first, first.body, dict(first.headers)))
    same("the request", repr((arguments, *map(secrets, arguments[1:3]))), before)


def what_nobody_asked_for_can_be_left_out(exchange: Exchange) -> None:
    """A member that the task calls `unasked` is not in a call whose request says so; all others are."""
    whole = msgspec.json.decode(exchange.encoded().body)
    for name in exchange.task.unasked:
        without = exchange.encoded(replace(exchange.request, left_out=frozenset({name})))
        rest = {member: value for member, value in whole.items() if member != name}
        same(f"the body without [{name}]", msgspec.json.decode(without.body), rest)


def signing_adds_headers_and_changes_nothing_else(exchange: Exchange) -> None:
    """A signed call is the same call with more headers, all of them in lower case and on one line."""
    call = exchange.encoded()
    before = dict(call.headers)
    signed = exchange.signed(call)
    must(replace(signed, headers=call.headers) == call, "signing changes the method, the address or the body")
    same("the headers of the call that was signed", dict(call.headers), before)
    same("the headers from before", {name: signed.headers.get(name) for name in before}, before)
    for name, value in signed.headers.items():
        must(name == name.lower(), f"the header {name!r} is not in lower case")
        must("\n" not in value and "\r" not in value, f"the header {name!r} has a line's end in it")


def no_secret_is_in_any_repr(exchange: Exchange) -> None:
    """Settings, endpoints, calls and what is shown of them hold no secret, however it is written."""
    every = declared(exchange.task.settings)
    planted = {
        name: texts(value)
        for name, value in secrets(exchange.settings).items()
        if any(setting.secret for setting in every if setting.name == name)
    }
    for setting in every:
        recorded = setting.secret and exchange.recording.settings.get(setting.name) is not None
        must(not recorded or setting.name in planted, f"the secret [{setting.name}] is lost")
    call = exchange.encoded()
    signed, settings, options = exchange.signed(call), exchange.settings, exchange.options
    endpoint = Endpoint("e", exchange.of.kind, exchange.of.service.name, settings, options, None, "v")
    shown = [repr(value) for value in (settings, options, endpoint, call, signed, [signed])]
    shown += [str(public(settings)), str(public(options)), signed.url, signed.body.decode(errors="replace")]
    for text, (name, values) in itertools.product(shown, planted.items()):
        hidden_in = Secrets(tuple(values)).hide(text)
        must(hidden_in == text, f"the secret [{name}] is, as it is or written otherwise, in {hidden_in}")
    for text in (*hidden(settings), *hidden(options)):
        must(text not in repr((settings, options)), "a header or a parameter of an address is shown")


def equal_settings_share_a_queue(exchange: Exchange) -> None:
    """Queue, limits and similarity follow from the settings alone, and are values that make sense."""
    task, first, second = exchange.task, exchange.settings, exchange.settings
    groups = [task.rates.group(settings) for settings in (first, second)]
    same("the rate group of equal settings", repr(groups[1]), repr(groups[0]))
    hash(groups[0])
    for name, limit in asdict(task.rates.limits(first)).items():
        must(limit is None or limit >= 1, f"the limit of {name} is {limit}")
    must(task.rates.default is None or task.rates.default >= 1, "the default rate is less than one a minute")
    if task.similarity is not None:
        must(task.similarity(first) in SIMILARITIES, f"the similarity is none of {SIMILARITIES}")
