// The AI SDK, with the provider that is named.
import { Output, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { url, model, provider } = JSON.parse(process.argv[2]);
const PERSON = '{"name": "Ada", "age": 36}';
const QUESTION = 'Call weather with {"city": "Paris"}. Call weather with {"city": "Oslo"}. Tell me what it says.';

async function chat() {
  const settings = { baseURL: `${url}/v1`, apiKey: "none" };
  if (provider === "@ai-sdk/openai") return (await import(provider)).createOpenAI(settings)(model);
  if (provider === "@ai-sdk/anthropic") return (await import(provider)).createAnthropic(settings)(model);
  const named = { ...settings, name: "inferpoint", supportsStructuredOutputs: true };
  return (await import(provider)).createOpenAICompatible(named)(model);
}

const THINKING = {
  openai: { reasoningEffort: "high", reasoningSummary: "auto", forceReasoning: true },
  anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } },
  inferpoint: { reasoningEffort: "high" },
};
const HINT = { anthropic: { cacheControl: { type: "ephemeral" } } };
const weather = tool({
  description: "The weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ Paris: "21 degrees", Oslo: "3 degrees" })[city],
});

async function asked(more = {}) {
  return { model: await chat(), tools: { weather }, stopWhen: stepCountIs(5), maxRetries: 0, prompt: QUESTION, ...more };
}

async function streamed(more) {
  let failure;
  const result = streamText({ ...(await asked(more)), onError: ({ error }) => { failure = error; } });
  for await (const _ of result.fullStream);
  if (failure) throw failure;
  return result;
}

const abilities = {
  tools: async () => (await generateText(await asked())).text,
  streamed_tools: async () => (await streamed()).text,
  structured: async () => {
    const schema = z.object({ name: z.string(), age: z.number() });
    const prompt = `Invent a person. Call json with ${PERSON}. Answer with ${PERSON}`;
    return (await generateObject({ model: await chat(), schema, prompt, maxRetries: 0 })).object;
  },
  thinking: async () => {
    const steps = await (await streamed({ providerOptions: THINKING })).steps;
    return steps[0].reasoningText ?? "";
  },
};
if (provider === "@ai-sdk/anthropic") {
  abilities.cache = async () => {
    const messages = [
      { role: "system", content: "Be brief.", providerOptions: HINT },
      { role: "user", content: [{ type: "text", text: QUESTION, providerOptions: HINT }] },
    ];
    const usage = await (await streamed({ prompt: undefined, messages })).totalUsage;
    return usage.inputTokenDetails.cacheReadTokens ?? 0;
  };
}

const results = {};
for (const [name, ability] of Object.entries(abilities)) {
  try {
    results[name] = await ability();
  } catch (error) {
    console.error(error);
    results[name] = `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(results));
