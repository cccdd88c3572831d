// What Kibana's readers throw, by what went wrong and by who asked.
import { askedByConnector, askedByEndpoint, connected, joined, joinedByConnector } from "./kibana_client.mjs";

const { url, faults } = JSON.parse(process.argv[2]);
const client = connected(url);

async function thrown(ask, read, fault) {
  const messages = [{ role: "user", content: fault }];
  try {
    return { words: (await read(await ask(client, fault === "missing" ? fault : "openai", { messages }))).content };
  } catch (error) {
    return { error: error.message };
  }
}

const told = {};
for (const fault of faults) {
  told[fault] = {
    connector: await thrown(askedByConnector, joinedByConnector, fault),
    endpoint: await thrown(askedByEndpoint, joined, fault),
  };
}
console.log(JSON.stringify(told));
