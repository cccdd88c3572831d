// Kibana's pages of inference endpoints and connectors, without Kibana: what they ask, in the order in which they do.
import { connected } from "./kibana_client.mjs";

const { url, provider } = JSON.parse(process.argv[2]);
const client = connected(url);
const KNOWN = ["str", "int", "bool", "map"]; // fields of other types are not shown
const FILLED = {
  anthropic: { api_key: "sk-first", model_id: "claude-sonnet-4-5", max_tokens: 1024 },
  openai: { api_key: "sk-first", model_id: "gpt-5" },
  hugging_face: { api_key: "hf-first" },
};
const PATHS = { sparse_embedding: "/embed_sparse", rerank: "/rerank", text_embedding: "" }; // of hugging_face's models

// Names with dots become objects, as the form's values are unflattened.
function unflattened(values) {
  const whole = {};
  for (const [name, value] of Object.entries(values)) {
    const path = name.split(".");
    const last = path.pop();
    path.reduce((object, part) => (object[part] ??= {}), whole)[last] = value;
  }
  return whole;
}

const services = () => client.transport.request({ method: "GET", path: "/_inference/_services" });

// Every field has a value, null where nothing was filled in; what is secret stands apart.
function filled({ service, configurations }, taskType) {
  const fields = Object.entries(configurations).filter(
    ([, { type, supported_task_types: types }]) => KNOWN.includes(type) && (types ?? [taskType]).includes(taskType),
  );
  const typed = { ...FILLED[service], ...(taskType in PATHS && { url: provider + PATHS[taskType] }) };
  const value = ([name, { default_value: standard }]) => [name, typed[name] ?? standard ?? null];
  const isSecret = ([, { sensitive }]) => sensitive;
  return {
    config: Object.fromEntries(fields.filter((field) => !isSecret(field)).map(value)),
    secrets: Object.fromEntries(fields.filter(isSecret).map(value)),
  };
}

async function exists(id) {
  try {
    await client.inference.get({ inference_id: id });
    return true;
  } catch (error) {
    if (error?.statusCode === 404) return false;
    throw error;
  }
}

async function put(id, taskType, { service, configurations }) {
  const { config, secrets } = filled({ service, configurations }, taskType);
  const settings = { ...unflattened(config), ...unflattened(secrets) };
  const options = service === "anthropic" ? { max_tokens: settings.max_tokens } : {};
  if (service === "anthropic") delete settings.max_tokens; // it is told by the connector that this is a task's setting
  const inference_config = { service, service_settings: settings, task_settings: options };
  return client.inference.put({ inference_id: id, task_type: taskType, inference_config });
}

async function life(service, taskType) {
  const id = `${service.service}-${taskType}-form`;
  const steps = { before: await exists(id) };
  steps.made = (await put(id, taskType, service)).service_settings.rate_limit !== undefined;
  steps.after = await exists(id);
  const { endpoints } = await client.inference.get({ inference_id: "_all" });
  const listed = endpoints.find((endpoint) => endpoint.inference_id === id);
  steps.listed = [listed.task_type, listed.service, listed.service_settings.api_key ?? null];
  const path = `/_inference/${taskType}/${id}/_update`;
  const body = JSON.stringify({ service_settings: { api_key: "sk-second" } });
  const plain = { headers: { "content-type": "application/json" } };
  steps.updated = (await client.transport.request({ method: "PUT", path, body }, plain)).inference_id === id;
  const inference_config = { service_settings: { api_key: "sk-third" }, task_settings: {} };
  const saved = await client.inference.update({ inference_id: id, task_type: taskType, inference_config });
  steps.saved = saved.inference_id === id;
  const scan = { inference_id: id, task_type: taskType, dry_run: true };
  steps.scanned = (await client.inference.delete(scan)).pipelines;
  steps.still = await exists(id);
  await client.inference.delete({ inference_id: id, task_type: taskType });
  steps.deleted = await exists(id);
  return steps;
}

async function infer(service, taskType, asked, of) {
  const id = `${service.service}-${taskType}-asked`;
  await put(id, taskType, service);
  const answer = await client.inference.inference({ inference_id: id, task_type: taskType, ...asked }, {});
  return answer[taskType].map(of);
}

const fields = (service) =>
  Object.entries(service.configurations).filter(
    ([, { label, description, required, sensitive, updatable, type, supported_task_types: types }]) =>
      !(label && description !== undefined && Array.isArray(types)) ||
      [required, sensitive, updatable].some((flag) => typeof flag !== "boolean") ||
      (required && !KNOWN.includes(type)),
  );

const told = {};
const all = await services();
told.unknown = all.flatMap((service) => fields(service).map(([name]) => `${service.service}.${name}`));
told.named = all.every(({ service, name, task_types: types }) => service && name && types.length > 0);
const by = Object.fromEntries(all.map((service) => [service.service, service]));
told.lives = {};
for (const [service, taskType] of [["openai", "chat_completion"], ["anthropic", "chat_completion"], ["openai", "completion"]]) {
  told.lives[`${service} ${taskType}`] = await life(by[service], taskType);
}
const embedded = { input: "one", task_settings: { input_type: "search" } };
told.vectors = await infer(by.hugging_face, "text_embedding", embedded, ({ embedding }) => embedding.length);
told.sparse = await infer(by.hugging_face, "sparse_embedding", { input: "one" }, ({ embedding }) => embedding);
const ranked = { input: ["one", "two"], query: "which" };
told.ranking = await infer(by.hugging_face, "rerank", ranked, ({ index, relevance_score: score }) => [index, score]);
told.completion = await infer(by.openai, "completion", { input: "Say it." }, ({ result }) => result);
console.log(JSON.stringify(told));
