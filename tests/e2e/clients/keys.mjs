// A team's key through the official JavaScript client, either major: made, used, changed and ended.
import assert from "node:assert/strict";

const [, , name, node, encoded, mine, others] = process.argv;
const { Client, errors } = await import(name);
const admin = new Client({ node, auth: { apiKey: encoded } });
const refused = async (promise, status) => {
  const error = await promise.then(() => assert.fail("nothing was thrown"), (error) => error);
  assert(error instanceof errors.ResponseError, `${error}`);
  assert.equal(error.statusCode, status);
  return JSON.stringify(error.body);
};

const made = await admin.security.createApiKey({
  name: "team",
  expiration: "1d",
  role_descriptors: { team: { cluster: ["monitor_inference"] } },
  metadata: { inferpoint: { inference_ids: [mine], requests_per_minute: 600, team: "search" } },
});
let team;
for (const apiKey of [made.encoded, { id: made.id, api_key: made.api_key }]) {
  team = new Client({ node, auth: { apiKey } });
  const answer = await team.inference.inference({ inference_id: mine, input: "how big" });
  assert(answer.completion[0].result);
}
const basic = new Client({ node, auth: { username: made.id, password: made.api_key } });
assert.deepEqual((await basic.security.authenticate()).api_key, { id: made.id, name: "team" });
assert.deepEqual((await team.inference.get()).endpoints.map((one) => one.inference_id), [mine]);
await refused(team.inference.get({ inference_id: others }), 404);
assert.match(await refused(team.inference.delete({ inference_id: mine }), 403), /\[manage_inference,all\]/);
assert.equal((await team.security.hasPrivileges({ cluster: ["monitor_inference"] })).has_all_requested, true);
assert.equal((await admin.security.getApiKey({ id: made.id })).api_keys[0].name, "team");
const query = { bool: { filter: [{ term: { name: "team" } }, { term: { invalidated: false } }] } };
const found = await admin.security.queryApiKeys({ query, sort: [{ creation: "desc" }], size: 1 });
assert.equal(found.api_keys[0].id, made.id);
assert((await admin.security.updateApiKey({ id: made.id, metadata: { inferpoint: { inference_ids: ["none"] } } })).updated);
await refused(team.inference.inference({ inference_id: mine, input: "x" }), 404);
assert.deepEqual((await admin.security.invalidateApiKey({ ids: [made.id] })).invalidated_api_keys, [made.id]);
assert.match(await refused(team.info(), 401), /invalidated/);
await refused(new Client({ node }).info(), 401);
