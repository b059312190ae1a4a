// Nodes of a cluster in a test: how they are started, and what they are asked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { project_dir } from "./paths.mjs";
import { Server } from "./server.mjs";

export const run = promisify(execFile);
export const binary = resolve(process.env.MADANG_BIN ?? join(project_dir, "build/release/madang"));
export const key = "a-key-of-these-tests-that-is-long-enough"; // `tests` in the nodes' configuration, which may do all

// What holds() says, once it is true; what it throws is no end.
export async function eventually(what, holds, patience_ms = 60_000) {
  const end = Date.now() + patience_ms;
  for (let last; ; await new Promise((done) => setTimeout(done, 20))) {
    try {
      const value = await holds();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) assert.fail(`${what}: not within ${patience_ms} ms; at last ${last?.stack ?? JSON.stringify(last)}`);
  }
}

// A node that joins those at the addresses `others`.
export const start_node = (config, name, others = [], options = []) =>
  Server.start({ config: `api_keys = ["tests:all:${key}", "watch:read:another-key-that-is-long-enough"]\n${config}`,
                 options: ["--cluster-listen", "127.0.0.1:0", "--node-name", name, "--drain-timeout", "5s",
                           ...others.flatMap((each) => ["--join", each]), ...options] });

// Nodes named a, b and so on, of which the first is joined by the others. They stop with the test, also when one fails to start.
export async function start_nodes(t, config, names, options_of = () => []) {
  const servers = [];
  t.after(() => Promise.all(servers.map((each) => each.stop())));
  const joined = [];
  for (const name of names) {
    servers.push(await start_node(config, name, joined, options_of(name)));
    if (joined.length === 0) joined.push((await status_of(servers[0])).address);
  }
  return servers;
}

export const status_of = async (server) => (await fetch(`${server.internal}/cluster`)).json();

// As in "a=up b=left".
export const states_of = ({ node, state, nodes }) =>
  [[node, state], ...nodes.map((each) => [each.node, each.state])].sort().map((each) => each.join("=")).join(" ");

// That view, and a link to each node that is there.
export const sees = (server, wanted, patience_ms) =>
  eventually(`the view ${wanted}`, async () => {
    const status = await status_of(server);
    const whole = status.nodes.every((each) => !/up|draining/.test(each.state) || each.link);
    if (states_of(status) !== wanted || !whole) throw new Error(states_of(status));
    return true;
  }, patience_ms);

// `home` keeps the jobs, as `server` sees it, which has so many links to nodes that are up.
export const keeps = (server, home, links) =>
  eventually(`${home} keeps the jobs`, async () => {
    const { jobs, nodes } = await status_of(server);
    return jobs.home === home && jobs.served && nodes.filter(({ state, link }) => state === "up" && link).length === links;
  });

// The internal listener's answer.
export const ask = (server, path, options = {}) =>
  fetch(`${server.internal}${path}`, { ...options, headers: { "X-API-Key": key, ...options.headers } });

export const metric = async (server, name) =>
  Number(new RegExp(`^${name.replace(/[{}]/g, "\\$&")} (\\S+)`, "m").exec(await (await fetch(`${server.internal}/metrics`)).text())?.[1]);

export const workers_of = async (server) => (await (await ask(server, "/api/workers")).json()).workers.map(({ name }) => name).sort();

// `madang WORDS`: its exit code and what it printed.
export const command = (...words) =>
  run(binary, words, { timeout: 180_000 })
    .then(({ stdout }) => ({ code: 0, stdout, stderr: "" }), ({ code, stdout, stderr }) => ({ code, stdout, stderr }));
