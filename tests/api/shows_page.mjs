// Run the script of a page with as much of a browser as it needs, and print what it fetched and all texts that it shows.
import { readFileSync } from "node:fs";

const [page, document_, path] = process.argv.slice(2);

class Element {
  constructor(name) {
    Object.assign(this, { name, children: [], attributes: {} });
  }
  setAttribute(key, value) {
    this.attributes[key] = value;
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.children = children;
  }
  addEventListener(event, act) {
    if (event === "toggle") this.toggled = act;
  }
  get childElementCount() {
    return this.children.length;
  }
  get text() {
    return this.children.map((child) => child.text ?? String(child)).join("");
  }
}

const main = new Element("main");
const others = { "#list": new Element("div"), input: new Element("input") };
globalThis.location = { pathname: path, origin: "http://server.test", hash: "" };
globalThis.document = {
  createElement: (name) => new Element(name),
  querySelector: (selector) => (selector === "main" ? main : others[selector]),
};
globalThis.fetch = async (url) => {
  console.log(url);
  return { json: async () => JSON.parse(readFileSync(document_, "utf8")) };
};
new Function(readFileSync(page, "utf8").match(/<script>([\s\S]*?)<\/script>/)[1])();
await new Promise((done) => setImmediate(() => setImmediate(done)));

// Open everything, but for what contains itself.
const open = (element, depth) => {
  if (depth < 12 && element.toggled) element.toggled();
  for (const child of element.children ?? []) if (child instanceof Element && depth < 12) open(child, depth + 1);
};
open(main, 0);
console.log(main.text);
