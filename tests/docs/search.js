// Searches the site as a browser does: runs the site's own search worker, without a browser.
//
//   node search.js SITE QUERY…
//
// Prints one line of JSON per query: the sections that it finds, best page first, as the site lists them.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const [site, ...queries] = process.argv.slice(2);
const SETUP = 0, QUERY = 2; // kinds of messages that the worker takes
const listeners = [];
let answered;

globalThis.self = globalThis;
globalThis.addEventListener = (_, listener) => listeners.push(listener);
globalThis.postMessage = (message) => answered(message);

function ask(type, data) {
  return new Promise((resolve) => {
    answered = resolve;
    listeners.forEach((listener) => listener({ data: { type, data } }));
  });
}

async function main() {
  const folder = path.join(site, "assets/javascripts/workers");
  const [worker] = fs.readdirSync(folder).filter((name) => /^search\..+\.js$/.test(name));
  vm.runInThisContext(fs.readFileSync(path.join(folder, worker), "utf8"));
  const { config, docs } = JSON.parse(fs.readFileSync(path.join(site, "search/search_index.json"), "utf8"));
  await ask(SETUP, { config, docs, options: { suggest: true } });
  for (const query of queries) {
    const { data } = await ask(QUERY, query);
    console.log(JSON.stringify(data.items.map((page) => page.map(({ location, score }) => ({ location, score })))));
  }
}

main();
