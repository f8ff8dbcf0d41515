// Makes calls with one of Conductor's own SDKs, one after the other, and writes what each came to.
//
// Standard input: {"version": "v11" | "v12", "port": N, "key": text, "builtinFetch": true | false,
//                  "calls": [["authSessions.create", argument ...], ...]}
// builtinFetch: v12 fetches with Node's own fetch instead of its node-fetch 2.
// Standard output: one line of JSON a call, {"value": what the SDK returned} or {"error": what it threw}.
"use strict";

const { readFileSync } = require("node:fs");
const http = require("node:http");
const { createRequire } = require("node:module");

const wanted = JSON.parse(readFileSync(0, "utf8"));
const requireSdk = createRequire(process.cwd() + "/"); // the folder that npm filled
const origin = `http://127.0.0.1:${wanted.port}`;

// What Node has by itself since 19; v11 takes Node's own agent, and each request would be a connection in Node 18.
http.globalAgent = new http.Agent({ keepAlive: true });

const makers = {
  v11() {
    process.env.NODE_ENV = "test"; // it would ask the registry for its newest version
    process.env.CONDUCTOR_MOCK_API_SERVER_URL = origin;
    const Conductor = requireSdk("conductor-node-v11").default;
    return new Conductor(wanted.key);
  },
  v12() {
    const Conductor = requireSdk("conductor-node-v12").default;
    return new Conductor({ apiKey: wanted.key, baseURL: `${origin}/v1`,
      fetch: wanted.builtinFetch ? globalThis.fetch : undefined });
  },
};

// Both SDKs keep what the API said in members of the error; v12 leaves the envelope whole.
function describe(error) {
  const { name, message, status, code, type, httpStatusCode, requestId, userFacingMessage } = error;
  return { class: error.constructor.name, name, message, status, code, type, httpStatusCode, requestId,
    userFacingMessage, envelope: error.error };
}

async function main() {
  const client = makers[wanted.version]();
  for (const [path, ...args] of wanted.calls) {
    const [resource, method] = path.split(".");
    let outcome;
    try {
      outcome = { value: await client[resource][method](...args) };
    } catch (error) {
      outcome = { error: describe(error) };
    }
    console.log(JSON.stringify(outcome));
  }
}

main();
