// Runs one JavaScript example of the pages, from standard input, with a client of the given package and server.
import { readFileSync } from "node:fs";

const [, , name, node] = process.argv;
const { Client } = await import(name);
const client = new Client({ node });
const AsyncFunction = (async () => {}).constructor;
await new AsyncFunction("client", readFileSync(0, "utf8"))(client);
await client.close();
