"""A team's key through the official Python client, either major: made, used, changed and ended."""

import sys

from elasticsearch import ApiError, AuthenticationException, AuthorizationException, Elasticsearch, NotFoundError

URL, ADMIN, MINE, OTHERS = sys.argv[1:]
admin = Elasticsearch(URL, api_key=ADMIN)


def raised(kind, act):
    """The exception of *kind* that *act* raises."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


made = admin.security.create_api_key(
    name="team",
    expiration="1d",
    role_descriptors={"team": {"cluster": ["monitor_inference"]}},
    metadata={"inferpoint": {"inference_ids": [MINE], "requests_per_minute": 600, "team": "search"}},
)
for key in (made["encoded"], (made["id"], made["api_key"])):
    team = Elasticsearch(URL, api_key=key)
    assert team.inference.inference(inference_id=MINE, input="how big")["completion"][0]["result"]
for client in (
    Elasticsearch(URL, basic_auth=(made["id"], made["api_key"])),
    Elasticsearch(URL, bearer_auth=made["encoded"]),
):
    assert client.security.authenticate()["api_key"] == {"id": made["id"], "name": "team"}
assert [one["inference_id"] for one in team.inference.get()["endpoints"]] == [MINE]
outside = raised(NotFoundError, lambda: team.inference.get(inference_id=OTHERS))
assert outside.body["error"]["type"] == "resource_not_found_exception"
denied = raised(AuthorizationException, lambda: team.inference.delete(inference_id=MINE))
assert "[manage_inference,all]" in str(denied.body)
raised(AuthorizationException, team.security.get_api_key)
asked = team.security.has_privileges(cluster=["monitor_inference", "manage_inference"])
assert asked["cluster"] == {"monitor_inference": True, "manage_inference": False}

assert admin.security.get_api_key(id=made["id"])["api_keys"][0]["metadata"]["inferpoint"]["team"] == "search"
query = {"bool": {"filter": [{"term": {"name": "team"}}, {"term": {"invalidated": False}}]}}
found = admin.security.query_api_keys(query=query, sort=[{"creation": "desc"}], size=1, from_=0)
assert found["total"] >= 1
assert found["api_keys"][0]["id"] == made["id"]
assert admin.security.update_api_key(id=made["id"], metadata={"inferpoint": {"inference_ids": ["none"]}})["updated"]
raised(NotFoundError, lambda: team.inference.inference(inference_id=MINE, input="x"))
raised(NotFoundError, lambda: admin.security.update_api_key(id="none", metadata={}))
misspelt = {"inferpoint": {"request_per_minute": 5}}
wrong = raised(ApiError, lambda: admin.security.create_api_key(name="x", metadata=misspelt))
assert (wrong.status_code, "request_per_minute" in str(wrong.body)) == (400, True)
assert admin.security.invalidate_api_key(ids=[made["id"]])["invalidated_api_keys"] == [made["id"]]
assert "invalidated" in str(raised(AuthenticationException, team.info).body)
raised(AuthenticationException, lambda: Elasticsearch(URL).info())
