"""Elasticsearch's API for keys, as its clients ask and read it."""

from __future__ import annotations

from typing import Any

import pytest
from in_process import Application, Told

ALL = {"role": {"cluster": ["all"]}}


class Admin:
    """Asks with an administrator's key."""

    def __init__(self, ask: Application) -> None:
        self.ask = ask
        self.clock = ask.world.clock
        self.key = ask("PUT", "/_security/api_key", {"name": "admin", "role_descriptors": ALL}).json

    def __call__(self, method: str, path: str, body: Any = None, query: str = "", key: Any = None) -> Told:
        heads = {"authorization": f"ApiKey {(key or self.key)['encoded']}"}
        return self.ask(method, f"/_security/{path}", body, query, heads)

    def make(self, name: str, *cluster: str, **members: Any) -> dict[str, Any]:
        roles = {"role": {"cluster": list(cluster)}}
        told = self("POST", "api_key", {"name": name, "role_descriptors": roles, **members})
        assert told.status == 200, told.body
        return told.json

    def found(self, **body: Any) -> list[str]:
        """The names of the keys that a query selects."""
        told = self("POST", "_query/api_key", body)
        assert told.status == 200, told.body
        assert told.json["count"] == len(told.json["api_keys"])
        return [key["name"] for key in told.json["api_keys"]]


@pytest.fixture
def admin(ask: Application) -> Admin:
    return Admin(ask)


def test_a_key_is_made_and_shown(admin: Admin) -> None:
    """What is told of a new key opens the server; what is shown of it later has everything but its secret."""
    metadata = {"inferpoint": {"team": "search", "inference_ids": ["docs-*"]}, "own": [1]}
    made = admin.make("search", "monitor_inference", expiration="1d", metadata=metadata)
    assert made.keys() == {"id", "name", "expiration", "api_key", "encoded"}
    now = round(admin.clock.now().timestamp() * 1000)
    assert made["expiration"] == now + 86_400_000
    (shown,) = admin("GET", "api_key", query=f"id={made['id']}").json["api_keys"]
    assert shown == {
        "id": made["id"],
        "name": "search",
        "type": "rest",
        "creation": now,
        "expiration": now + 86_400_000,
        "invalidated": False,
        "username": admin.key["id"],
        "realm": "_es_api_key",
        "realm_type": "_es_api_key",
        "metadata": metadata,
        "role_descriptors": {"role": {"cluster": ["monitor_inference"]}},
    }
    who = admin("GET", "_authenticate", key=made).json
    assert (who["username"], who["authentication_type"]) == (made["id"], "api_key")
    assert who["api_key"] == {"id": made["id"], "name": "search"}


def test_who_needs_no_key_is_anonymous(ask: Application) -> None:
    """On a server without keys the client's question who it is has an answer, too."""
    who = ask("GET", "/_security/_authenticate").json
    assert (who["authentication_type"], who["enabled"]) == ("anonymous", True)


@pytest.mark.parametrize(
    ("query", "status", "names"),
    [
        ("", 200, ["admin", "one", "two"]),
        ("name=one", 200, ["one"]),
        ("name=t*", 200, ["two"]),
        ("name=three", 200, []),
        ("id=none", 404, []),
        ("owner=true", 200, ["admin", "one", "two"]),
        ("username=anonymous", 200, ["admin"]),
        ("realm_name=native", 200, []),
        ("active_only=true", 200, ["admin", "two"]),
        ("with_limited_by=true&with_profile_uid=false", 200, ["admin", "one", "two"]),
        ("owner=perhaps", 400, None),
        ("nothing=1", 400, None),
    ],
)
def test_keys_are_got_by_what_is_known_of_them(admin: Admin, query: str, status: int, names: list[str] | None) -> None:
    """By id, name, owner and state, as the client's parameters say."""
    one = admin.make("one", "monitor_inference")
    admin.make("two", "all")
    assert admin("DELETE", "api_key", {"ids": [one["id"]]}).status == 200
    told = admin("GET", "api_key", query=query)
    assert told.status == status
    if names is not None:
        assert sorted(key["name"] for key in told.json["api_keys"]) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"match_all": {}}, "abcA"),
        ({"term": {"name": "a"}}, "a"),
        ({"term": {"name": {"value": "a"}}}, "a"),
        ({"match": {"name": {"query": "b"}}}, "b"),
        ({"terms": {"name": ["a", "c", "x"]}}, "ac"),
        ({"prefix": {"metadata.team": "se"}}, "a"),
        ({"wildcard": {"metadata.team": {"value": "*e*"}}}, "ab"),
        ({"exists": {"field": "expiration"}}, "b"),
        ({"exists": {"field": "metadata.team.x"}}, ""),
        ({"ids": {"values": ["none"]}}, ""),
        ({"bool": {"must_not": {"exists": {"field": "metadata.team"}}}}, "cA"),
        ({"bool": {"should": [{"term": {"name": "a"}}, {"term": {"name": "b"}}]}}, "ab"),
        ({"bool": {"filter": [{"term": {"invalidated": False}}], "must": {"prefix": {"name": "b"}}}}, "b"),
        ({"range": {"creation": {"gte": "2026-11-20T12:00:00Z", "lt": "2027-01-01"}}}, "abcA"),
        ({"range": {"expiration": {"gt": 0}}}, "b"),
    ],
)
def test_keys_are_looked_for(admin: Admin, query: Any, names: str) -> None:
    """The part of the query language that Elasticsearch's own pages use for keys."""
    admin.make("a", "all", metadata={"team": "search"})
    admin.make("b", "all", metadata={"team": "reco-e"}, expiration="90d")
    admin.make("c", "all")
    assert sorted(name[:1] if name != "admin" else "A" for name in admin.found(query=query)) == sorted(names)


def test_a_page_of_keys_in_order(admin: Admin) -> None:
    """What was found is sorted by several fields and cut to a page, and all of it is counted."""
    for name, number in (("a", 2), ("b", 1), ("c", 2)):
        admin.make(name, "all", metadata={"n": number})
    sort = [{"metadata.n": {"order": "desc"}}, {"name": "desc"}]
    assert admin.found(sort=sort) == ["c", "a", "b", "admin"]
    assert admin.found(sort="name", size=2, **{"from": 1}) == ["admin", "b"]
    told = admin("GET", "_query/api_key", {"sort": ["name"], "size": 1}).json
    assert (told["total"], told["api_keys"][0]["_sort"]) == (4, ["a"])
    assert admin("GET", "_query/api_key").json["total"] == 4


@pytest.mark.parametrize(
    "body",
    [
        {"query": {"fuzzy": {"name": "a"}}},
        {"query": {"term": {"secret": "a"}}},
        {"query": {"term": {"name": "a"}, "match_all": {}}},
        {"query": {"bool": {"must": [7]}}},
        {"query": {"prefix": {"name": 7}}},
        {"query": {"range": {"creation": {"gte": "now-1d"}}}},
        {"query": {"range": {"creation": {"near": 1}}}},
        {"query": {"term": "a"}},
        {"sort": [{"name": "up"}]},
        {"sort": "hash"},
        {"sort": [7]},
        {"size": -1},
        {"from": 10_000},
        {"aggs": {}},
        {"search_after": [1]},
    ],
)
def test_what_is_not_taken_of_queries_is_said(admin: Admin, body: Any) -> None:
    """A query that is not understood finds nothing rather than everything."""
    assert admin("POST", "_query/api_key", body).status == 400


def test_a_query_nested_without_end(admin: Admin) -> None:
    """A query deeper than anybody writes is refused."""
    query: Any = {"match_all": {}}
    for _ in range(50):
        query = {"bool": {"must": query}}
    assert admin("POST", "_query/api_key", {"query": query}).status == 400


def test_a_key_is_changed(admin: Admin) -> None:
    """What is said is changed at once, all else stays; nothing said is no change."""
    made = admin.make("a", "monitor_inference", metadata={"x": 1})
    path = f"api_key/{made['id']}"
    assert admin("GET", "_authenticate", key=made).json["metadata"] == {"x": 1}
    assert admin("PUT", path, {"metadata": {"y": 2}}).json == {"updated": True}
    assert admin("GET", "_authenticate", key=made).json["metadata"] == {"y": 2}
    assert admin("PUT", path).json == {"updated": False}
    assert admin("PUT", path, {"role_descriptors": {"a": {"cluster": ["manage_api_key"]}}}).json == {"updated": True}
    assert admin("GET", "api_key", key=made).status == 200
    assert admin("PUT", path, {"expiration": "1m"}).json == {"updated": True}
    admin.ask.world.run(admin.clock.advance(61))
    told = admin("GET", "_authenticate", key=made)
    assert (told.status, "is expired" in told.body.decode()) == (401, True)
    told = admin("PUT", path, {"metadata": {}})
    assert (told.status, "cannot update expired API key" in told.body.decode()) == (400, True)
    assert admin("PUT", "api_key/none", {"metadata": {}}).status == 404


def test_keys_are_ended(admin: Admin) -> None:
    """By ids, name or owner; what had ended before is told apart, and what is not there is passed over."""
    one, two = admin.make("x-1", "all"), admin.make("x-2", "all")
    told = admin("DELETE", "api_key", {"ids": [one["id"], "none"]}).json
    assert told == {"invalidated_api_keys": [one["id"]], "previously_invalidated_api_keys": [], "error_count": 0}
    told = admin("DELETE", "api_key", {"name": "x-*"}).json
    assert (told["invalidated_api_keys"], told["previously_invalidated_api_keys"]) == ([two["id"]], [one["id"]])
    assert admin("DELETE", "api_key", {}).status == 400
    assert admin("DELETE", "api_key", {"owner": False}).status == 400
    shown = admin("GET", "api_key", query=f"id={one['id']}").json["api_keys"][0]
    assert (shown["invalidated"], "invalidation" in shown) == (True, True)


def test_what_a_caller_may_is_asked(admin: Admin) -> None:
    """Privileges of the cluster are told as they are, and of what is not here there are none."""
    made = admin.make("a", "manage_inference")
    asked = {
        "cluster": ["monitor_inference", "manage_inference", "manage_api_key", "monitor"],
        "index": [{"names": ["i", "j"], "privileges": ["read"]}],
        "application": [{"application": "kibana", "privileges": ["p"], "resources": ["*"]}],
    }
    told = admin("POST", "user/_has_privileges", asked, key=made).json
    assert told == {
        "username": made["id"],
        "has_all_requested": False,
        "cluster": {
            "monitor_inference": True,
            "manage_inference": True,
            "manage_api_key": False,
            "monitor": False,
        },
        "index": {"i": {"read": False}, "j": {"read": False}},
        "application": {"kibana": {"*": {"p": False}}},
    }
    told = admin("POST", "user/_has_privileges", {"cluster": ["monitor_inference"]}, key=made).json
    assert told["has_all_requested"] is True


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({}, "action_request_validation_exception", "api key name is required"),
        ({"name": "_a"}, "action_request_validation_exception", "may not begin with an underscore"),
        ({"name": "a", "expiration": "1"}, "illegal_argument_exception", "unit is missing"),
        ({"name": "a", "expiration": "0"}, "action_request_validation_exception", "greater than 0"),
        ({"name": "a", "expiration": 5}, "x_content_parse_exception", "[expiration] must be a string"),
        ({"name": "a", "type": "cross_cluster"}, "x_content_parse_exception", "[type] is not supported"),
        ({"name": "a", "role_descriptors": {"a": {"cluster": ["x"]}}}, "illegal_argument_exception", "[x]"),
        ({"name": "a", "metadata": {"inferpoint": {"limit": 5}}}, "x_content_parse_exception", "inferpoint.limit"),
    ],
)
def test_what_makes_no_key_is_said(admin: Admin, body: Any, kind: str, words: str) -> None:
    """In the words of Elasticsearch's exceptions."""
    told = admin("POST", "api_key", body)
    assert (told.status, told.json["error"]["type"]) == (400, kind)
    assert words in told.json["error"]["reason"]


def test_no_answer_has_a_hash_or_a_secret(admin: Admin) -> None:
    """A secret is told when its key is made and never again, nor is what is kept of it."""
    made = admin.make("a", "all")
    (row,) = [key for key in admin.ask.world.keys if key.id == made["id"]]
    for method, path in (("GET", "api_key"), ("POST", "_query/api_key"), ("GET", "_authenticate")):
        text = admin(method, path, key=made).body.decode()
        assert row.hash not in text
        assert made["api_key"] not in text
        assert made["encoded"] not in text
