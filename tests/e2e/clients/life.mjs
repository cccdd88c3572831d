// The life of an endpoint through the official JavaScript client, either major: a JSON report of what did not hold.
import assert from "node:assert/strict";

const [, , name, node, prefix, embedder, model] = process.argv;
const { Client, errors } = await import(name);
const client = new Client({ node });
const { inference } = client;
const OPENAI = { service: "openai", service_settings: { api_key: "sk-test", model_id: "gpt-4o-mini" } };
const HUGGING = {
  service: "hugging_face",
  service_settings: { api_key: "hf", url: `${model}/v1/chat/completions` },
};
const TOOL = { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } };
const ASKED = { messages: [{ role: "user", content: "what is the weather?" }], tools: [TOOL] };

const made = async (id, task_type = "completion", inference_config = OPENAI) => {
  await inference.put({ task_type, inference_id: prefix + id, inference_config });
  return prefix + id;
};
const raised = async (promise) => {
  const error = await promise.then(() => assert.fail("nothing was thrown"), (error) => error);
  assert(error instanceof errors.ResponseError, `${error}`);
  return error;
};
const events = (text) => text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
const BIG = { completion: [{ result: "Very big." }] };

const parts = {
  async is_known_as_elasticsearch() {
    assert.equal(await client.ping(), true);
    assert.match((await client.info()).version.number, /^[89]\.\d+\.\d+$/);
  },

  async is_created_found_used_and_deleted() {
    const inference_id = await made("life");
    const { endpoints: [found] } = await inference.get({ inference_id });
    assert.deepEqual(found.service_settings, { model_id: "gpt-4o-mini", rate_limit: { requests_per_minute: 500 } });
    const all = async (query) => (await inference.get(query)).endpoints.map((each) => each.inference_id);
    assert((await all()).includes(inference_id));
    assert((await all({ task_type: "completion", inference_id: "_all" })).includes(inference_id));
    assert(!(await all({ task_type: "text_embedding", inference_id: "_all" })).includes(inference_id));
    assert.deepEqual(await inference.inference({ inference_id, input: "how big" }), BIG);
    assert.deepEqual(await inference.inference({ task_type: "completion", inference_id, input: "how big" }), BIG);
    assert.deepEqual(await inference.completion({ inference_id, input: "how big" }), BIG);
    assert.equal((await inference.delete({ inference_id, dry_run: true })).acknowledged, false);
    assert.equal((await inference.delete({ inference_id, force: true })).acknowledged, true);
    assert.equal((await raised(inference.get({ inference_id }))).statusCode, 404);
  },

  async is_created_without_a_task_type_in_the_path() {
    const inference_id = prefix + "bare";
    const put = await inference.put({ inference_id, inference_config: { ...OPENAI, task_type: "completion" } });
    assert.equal(put.task_type, "completion");
    assert.equal((await inference.delete({ task_type: "completion", inference_id })).acknowledged, true);
  },

  async embeds_with_typed_methods() {
    const service_settings = { api_key: "sk-test", model_id: "text-embedding-3-small", dimensions: 8 };
    const openai_inference_id = prefix + "openai";
    const task_type = "text_embedding";
    const put = await inference.putOpenai({ task_type, openai_inference_id, service: "openai", service_settings });
    assert.equal(put.service_settings.dimensions, 8);
    const asked = { inference_id: openai_inference_id, input: ["one", "two"], input_type: "search" };
    const { text_embedding } = await inference.textEmbedding(asked);
    assert.deepEqual(text_embedding.map(({ embedding }) => embedding.length), [8, 8]);
    const huggingface_inference_id = prefix + "hugging";
    await inference.putHuggingFace({
      task_type, huggingface_inference_id, service: "hugging_face",
      service_settings: { api_key: "hf", url: embedder },
    });
    const many = Array(40).fill("a");
    const answered = await inference.inference({ inference_id: huggingface_inference_id, input: many, timeout: "20s" });
    assert.deepEqual(answered.text_embedding, many.map(() => ({ embedding: [0.6, 0.0, 0.8] })));
  },

  async has_each_inputs_own_error() {
    const settings = { api_key: "hf", url: embedder };
    const inference_id = await made("partial", "text_embedding", { service: "hugging_face", service_settings: settings });
    const input = ["a", "refused", "c"];
    const { text_embedding: found } = await inference.textEmbedding({ inference_id, input, partial: true });
    assert.deepEqual([found[0], found[2]], Array(2).fill({ embedding: [0.6, 0, 0.8] }));
    assert.deepEqual([found[1].status, found[1].error.type], [422, "status_exception"]);
  },

  async is_updated() {
    const inference_id = await made("updated");
    const inference_config = { service_settings: { api_key: "sk-new" }, task_settings: { user: "somebody" } };
    const changed = await inference.update({ task_type: "completion", inference_id, inference_config });
    assert.deepEqual(changed.task_settings, { user: "somebody" });
    assert.deepEqual((await inference.get({ inference_id })).endpoints, [changed]);
    // A parameter that this method does not know goes into the query in one major and into the body in the other.
    const typed = { ...inference_config, task_type: "completion" };
    assert.deepEqual(await inference.update({ inference_id, inference_config: typed, timeout: "20s" }), changed);
  },

  async errors_are_the_clients_own() {
    let error = await raised(inference.inference({ inference_id: prefix + "none", input: "x" }));
    assert.equal(error.statusCode, 404);
    assert.match(error.message, /^resource_not_found_exception/);
    await made("twice");
    error = await raised(made("twice"));
    assert.equal(error.body.error.type, "resource_already_exists_exception");
    assert.equal(error.statusCode, 400);
    error = await raised(inference.completion({ inference_id: prefix + "twice", input: "wrong key" }));
    assert.equal(error.statusCode, 401);
    error = await raised(client.transport.request({ method: "GET", path: "/_search" }));
    assert.equal(error.statusCode, 404);
  },

  async opaque_ids_come_back() {
    const { headers } = await inference.get({}, { opaqueId: "mine", meta: true });
    assert.equal(headers["x-opaque-id"], "mine");
    assert.equal(headers["x-elastic-product"], "Elasticsearch");
  },

  async bodies_may_be_compressed() {
    const packed = new Client({ node, compression: true });
    const inference_id = prefix + "packed";
    await packed.inference.put({ task_type: "completion", inference_id, inference_config: OPENAI });
    assert.deepEqual(await packed.inference.completion({ inference_id, input: "how big" }), BIG);
    await packed.close();
  },

  async streams_as_text() {
    const inference_id = await made("streamed");
    const text = await inference.streamCompletion({ inference_id, input: "how big" });
    assert.deepEqual(events(text), ['{"completion":[{"delta":"Very big."}]}', "[DONE]"]);
  },

  async streams_as_a_stream() {
    const inference_id = await made("arriving");
    const asked = { inference_id, input: "tell a story" };
    const { statusCode, body } = await inference.streamCompletion(asked, { asStream: true, meta: true });
    assert.equal(statusCode, 200);
    let text = "";
    for await (const piece of body.setEncoding("utf8")) text += piece;
    const data = events(text);
    assert.equal(data.pop(), "[DONE]");
    assert(data.length > 5);
    const story = data.map((each) => JSON.parse(each).completion[0].delta).join("");
    assert.equal(story, "Once upon a time there was an index of — naïve — vectors. 👋 They lived happily.");
  },

  async streams_refused_have_their_status() {
    const inference_id = await made("refused");
    const asked = { inference_id, input: "wrong key" };
    const { statusCode, body } = await inference.streamCompletion(asked, { asStream: true, meta: true });
    assert.equal(statusCode, 401);
    let text = "";
    for await (const piece of body.setEncoding("utf8")) text += piece;
    assert.equal(JSON.parse(events(text)[0]).status, 401);
  },

  async ranks_and_weighs() {
    const hugging = (path) => ({ service: "hugging_face", service_settings: { api_key: "hf", url: embedder + path } });
    const ranked = await made("ranked", "rerank", hugging("/rerank"));
    const { rerank } = await inference.rerank({ inference_id: ranked, query: "q", input: ["a", "b"] });
    assert.deepEqual(rerank, [{ index: 1, relevance_score: 1 }, { index: 0, relevance_score: 0.5 }]);
    const sparse = await made("sparse", "sparse_embedding", hugging("/embed_sparse"));
    const { sparse_embedding } = await inference.sparseEmbedding({ inference_id: sparse, input: ["ab", "abc"] });
    const weights = [{ 2: 0.5 }, { 3: 0.5 }];
    assert.deepEqual(sparse_embedding, weights.map((embedding) => ({ is_truncated: false, embedding })));
  },

  async chats_with_tools() {
    for (const [id, config] of [["openai-chat", OPENAI], ["hugging-chat", HUGGING]]) {
      const inference_id = await made(id, "chat_completion", config);
      const calls = {};
      let asked = { inference_id, chat_completion_request: ASKED };
      for (const data of events(await inference.chatCompletionUnified(asked)).slice(0, -1)) {
        const { object, choices } = JSON.parse(data);
        assert.equal(object, "chat.completion.chunk");
        for (const { index, id: given, function: { name, arguments: more } } of choices[0]?.delta.tool_calls ?? []) {
          calls[index] ??= { id: given, type: "function", function: { name, arguments: "" } };
          calls[index].function.arguments += more;
        }
      }
      const tool_calls = Object.values(calls);
      assert.deepEqual(tool_calls.map((call) => JSON.parse(call.function.arguments).city), ["Oslo", "Bergen"]);
      const results = tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "rain" }));
      const messages = [...ASKED.messages, { role: "assistant", content: "", tool_calls }, ...results];
      asked = { inference_id, chat_completion_request: { ...ASKED, messages } };
      const { statusCode, body } = await inference.chatCompletionUnified(asked, { asStream: true, meta: true });
      let text = "";
      for await (const piece of body.setEncoding("utf8")) text += piece;
      const data = events(text);
      assert.deepEqual([statusCode, data.pop()], [200, "[DONE]"]);
      const said = data.map((each) => JSON.parse(each).choices[0]?.delta.content ?? "").join("");
      assert.equal(said, "It rains in Oslo.");
    }
  },

  async chats_refused_are_told_as_openai_tells_them() {
    const inference_id = await made("refused-chat", "chat_completion");
    const chat_completion_request = { messages: [{ role: "user", content: "wrong key" }] };
    const asked = { inference_id, chat_completion_request };
    const { statusCode, body } = await inference.chatCompletionUnified(asked, { asStream: true, meta: true });
    assert.equal(statusCode, 401);
    let text = "";
    for await (const piece of body.setEncoding("utf8")) text += piece;
    const { error } = JSON.parse(events(text)[0]);
    assert.deepEqual([error.type, error.code], ["invalid_request_error", "invalid_api_key"]);
    assert.match(error.message, /Incorrect API key provided/);
  },

  async lists_services() {
    const found = await client.transport.request({ method: "GET", path: "_inference/_services" });
    const names = found.map(({ service }) => service);
    for (const service of ["openai", "hugging_face", "elasticsearch"]) assert(names.includes(service));
  },

  async credentials_are_taken() {
    for (const auth of [{ apiKey: "aWQ6a2V5" }, { username: "user", password: "password" }, { bearer: "token" }]) {
      const other = new Client({ node, auth });
      assert.equal(await other.ping(), true);
      await other.close();
    }
  },
};

const report = {};
for (const [part, run] of Object.entries(parts)) {
  report[part] = await run().then(() => null, (error) => `${error.stack} ${JSON.stringify(error.meta?.body ?? "")}`);
}
await client.close();
console.log(JSON.stringify(report));
