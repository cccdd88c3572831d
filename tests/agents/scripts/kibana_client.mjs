// What Kibana asks Elasticsearch's inference API, and how it reads the answers; told from its source, as of 9.4.
import { text } from "node:stream/consumers";
import { Client } from "elasticsearch9";
import { createParser } from "eventsource-parser";

export function connected(url) {
  const headers = { "x-elastic-product-origin": "kibana", "user-agent": "Kibana/9.4.3" };
  return new Client({ node: url, headers, maxRetries: 0, auth: { apiKey: "a2liYW5hOnNlY3JldA==" } });
}

const STREAMED = { "X-Elastic-Product-Use-Case": "observability_ai_assistant", "accept-encoding": "identity" };

// The connector `.inference`: its path has no slash before it, a refusal is read as text, `n` stays at home.
export async function askedByConnector(client, endpoint, body) {
  const path = `_inference/chat_completion/${endpoint}/_stream`;
  const asked = { method: "POST", path, querystring: { timeout: "180s" }, body: { ...body, n: undefined } };
  const options = { asStream: true, meta: true, requestTimeout: 180_000, headers: STREAMED };
  const response = await client.transport.request(asked, options);
  if (response.statusCode < 400) return response.body;
  const refusal = await text(response.body);
  throw new Error(`Inference endpoint [${endpoint}] returned status code ${response.statusCode}: ${refusal}`);
}

// An endpoint without a connector, as its newer assistants have it.
export async function askedByEndpoint(client, endpoint, body) {
  const path = `/_inference/chat_completion/${encodeURIComponent(endpoint)}/_stream`;
  const asked = { method: "POST", path, querystring: { timeout: "3m" }, body };
  return client.transport.request(asked, { asStream: true, requestTimeout: 180_000, headers: STREAMED });
}

async function* events(stream) {
  const whole = [];
  const parser = createParser({ onEvent: (event) => whole.push(event.data) });
  for await (const piece of stream) {
    parser.feed(piece.toString());
    yield* whole.splice(0);
  }
}

// Every chunk of its kind; all others are passed over, an error and a limit that was reached are thrown.
export async function* chunks(stream) {
  for await (const line of events(stream)) {
    if (!line || line === "[DONE]") continue;
    const chunk = JSON.parse(line);
    if ("error" in chunk) throw new Error(chunk.error.message ?? chunk.error.reason ?? JSON.stringify(chunk.error));
    if (chunk.choices?.[0]?.finish_reason === "length") throw new Error("Token limit reached");
    if (chunk.object === "chat.completion.chunk") yield chunk;
  }
}

// One message, whose tool calls are joined by their index: name, arguments and id are each a sum of pieces.
export async function joined(stream) {
  const message = { content: "", calls: [], tokens: null };
  for await (const { choices, usage } of chunks(stream)) {
    if (usage) {
      const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage;
      message.tokens = { prompt, completion, total, cached: usage.prompt_tokens_details?.cached_tokens };
    }
    if (!choices?.length) continue;
    message.content += choices[0].delta.content ?? "";
    for (const piece of choices[0].delta.tool_calls ?? []) {
      message.calls[piece.index] ??= { id: "", name: "", arguments: "" };
      message.calls[piece.index].id += piece.id ?? "";
      message.calls[piece.index].name += piece.function?.name ?? "";
      message.calls[piece.index].arguments += piece.function?.arguments ?? "";
    }
  }
  message.calls = message.calls.filter(Boolean).map((call) => ({ ...call, arguments: call.arguments || "{}" }));
  return message;
}

// The same of the connector, which counts the calls, and takes no words from a chunk that has usage.
export async function joinedByConnector(stream) {
  const message = { content: "", calls: [], tokens: null };
  for await (const { choices, usage } of chunks(stream)) {
    if (usage) message.tokens = { total: usage.total_tokens };
    if (usage || !choices.length) continue;
    message.content += choices[0].delta.content ?? "";
    for (const piece of choices[0].delta.tool_calls ?? []) {
      if (message.calls.length - 1 !== piece.index) message.calls.push({ id: "", name: "", arguments: "" });
      const call = message.calls[piece.index];
      call.id += piece.id ?? "";
      call.name += piece.function?.name ?? "";
      call.arguments += piece.function?.arguments ?? "";
    }
  }
  return message;
}
