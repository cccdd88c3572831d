// Kibana's assistants, without Kibana: its requests by the client that it has, and its way to read what comes.
import { Stream } from "openai/streaming";
import { askedByConnector, askedByEndpoint, connected, joined, joinedByConnector } from "./kibana_client.mjs";

const { url, model: endpoint } = JSON.parse(process.argv[2]);
const PERSON = '{"name": "Ada", "age": 36}';
const QUESTION = 'Call weather with {"city": "Paris"}. Call weather with {"city": "Oslo"}. Tell me what it says.';
const client = connected(url);

const func = (name, description, properties) => ({
  type: "function",
  function: { name, description, parameters: { type: "object", properties, required: Object.keys(properties) } },
});
const WEATHER = func("weather", "The weather in a city.", { city: { type: "string" } });
const OUTPUT = func("structuredOutput", "Use the following schema to respond", {
  name: { type: "string" },
  age: { type: "number" },
});
const degrees = ({ city }) => ({ Paris: "21 degrees", Oslo: "3 degrees" })[city];

const system = { role: "system", content: "You are a helpful assistant for Elastic Observability." };
const asked = (content) => [system, { role: "user", content }];
const called = ({ content, calls }) => ({
  role: "assistant",
  content,
  tool_calls: calls.map(({ id, name, arguments: text }) => ({
    id,
    type: "function",
    function: { name, arguments: JSON.stringify(JSON.parse(text)) },
  })),
});
const results = ({ calls }) =>
  calls.map(({ id, arguments: text }) => ({
    role: "tool",
    tool_call_id: id,
    content: JSON.stringify({ says: degrees(JSON.parse(text)) }),
  }));

async function loop(ask, read, more) {
  const messages = asked(QUESTION);
  for (;;) {
    const body = { temperature: 0, messages, tools: [WEATHER], ...more };
    const answer = await read(await ask(client, endpoint, body));
    if (!answer.tokens?.total) throw new Error("no usage was told");
    if (!answer.calls.length) return { words: answer.content, messages };
    messages.push(called(answer), ...results(answer));
  }
}

const abilities = {
  tools: async () => (await loop(askedByEndpoint, joined, { reasoning: { effort: "none" } })).words,
  connector_tools: async () => (await loop(askedByConnector, joinedByConnector, { tool_choice: "auto", n: 1 })).words,
  tools_of_history: async () => {
    const { messages } = await loop(askedByConnector, joined, {});
    const body = { messages, tools: [], tool_choice: "auto", temperature: 0 };
    return (await joined(await askedByConnector(client, endpoint, body))).content;
  },
  langchain_tools: async () => {
    const read = async (body) => {
      const answer = { content: "", calls: [] };
      for await (const chunk of Stream.fromSSEResponse({ body }, new AbortController())) {
        const { delta = {} } = chunk.choices[0] ?? {};
        answer.content += delta.content ?? "";
        for (const { index, id, function: { name, arguments: text } } of delta.tool_calls ?? []) {
          answer.calls[index] ??= { id, name, arguments: "" };
          answer.calls[index].arguments += text ?? "";
        }
        if (chunk.usage) answer.tokens = { total: chunk.usage.total_tokens };
      }
      return answer;
    };
    return (await loop(askedByConnector, read, { stop: [] })).words;
  },
  structured: async () => {
    const messages = asked(`Invent a person. Call structuredOutput with ${PERSON}.`);
    const tool_choice = { type: "function", function: { name: "structuredOutput" } };
    const body = { messages, tools: [OUTPUT], tool_choice, temperature: 0 };
    const { calls } = await joined(await askedByEndpoint(client, endpoint, body));
    return JSON.parse(calls[0].arguments);
  },
};

const told = {};
for (const [name, ability] of Object.entries(abilities)) {
  try {
    told[name] = await ability();
  } catch (error) {
    console.error(error);
    told[name] = `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(told));
