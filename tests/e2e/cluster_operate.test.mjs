// What an operator does to a cluster of three: drain a node, take that back, remove it when it is gone; and nginx with
// deploy/nginx.conf in front of it.
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { Ear, within } from "./centrifuge/kit.mjs";
import { ask, command, eventually, key, sees, start_nodes, status_of } from "./support/cluster.mjs";
import { Nginx } from "./support/nginx.mjs";
import { Server } from "./support/server.mjs";

const config = `trusted_proxies = ["127.0.0.1"]\n` +
  `[namespace.open]\nallow_subscribe = "everyone"\nallow_publish = "everyone"\nhistory_size = 100\nhistory_ttl = "10m"\nrecovery = true\n`;

async function three(t, options = ["--no-bundled"]) {
  const nodes = await start_nodes(t, config, ["a", "b", "c"], () => options);
  for (const each of nodes) await sees(each, "a=up b=up c=up");
  return nodes;
}

// An answer's status and JSON.
async function api(server, method, body = {}, with_key = key) {
  const answer = await fetch(`${server.internal}/api/${method}`, { method: "POST", body: JSON.stringify(body),
                                                                  headers: { "X-API-Key": with_key } });
  return { status: answer.status, ...await answer.json() };
}
// `madang cluster WORDS` asking that server: its exit code and what it printed.
const cluster = (server, ...words) => command("cluster", ...words, "--url", server.internal, "--api-key", key);
const ready = async (server) => (await fetch(`${server.internal}/readyz`)).status;

function client_at(t, url) {
  const client = new Centrifuge(`${url.replace(/^http/, "ws")}/connection/websocket`, { websocket: WebSocket });
  t.after(() => client.disconnect());
  return client;
}

describe("an operator of a cluster of three", () => {
  test("drains a node, stops it, removes it, and has it back", async (t) => {
    const [a, b, c] = await three(t);
    const groups = Array.from({ length: 12 }, (_, i) => `open:moves-${i}`);
    const epochs = {};
    for (const group of groups) epochs[group] = (await api(a, "publish", { channel: group, data: 1 })).result.epoch;
    const is_whole = async (count) => {
      for (const each of [a, b, c])
        for (const group of groups) {
          const { result } = await api(each, "history", { channel: group, limit: 100 });
          assert.equal(result.epoch, epochs[group], `${group}'s epoch`);
          assert.deepEqual(result.publications.map(({ data }) => data), Array.from({ length: count }, (_, i) => i + 1), group);
        }
    };
    const client = client_at(t, b.url);
    const connection = new Ear(client, "the client of b");
    const ears = groups.map((group) => {
      const sub = client.newSubscription(group);
      const ear = new Ear(sub, group);
      sub.subscribe();
      return ear;
    });
    client.connect();
    for (const ear of ears) await ear.next("subscribed");

    assert.match((await cluster(b, "drain", "--node", "c")).stderr, /this node is b, not c/);
    assert.equal((await api(b, "cluster/drain", {}, "another-key-that-is-long-enough")).status, 403);
    const drained = await cluster(b, "drain", "--node", "b");
    assert.equal(drained.code, 0, drained.stderr);
    assert.match(drained.stdout, /b owns nothing any more/);
    for (const each of [a, b, c]) await sees(each, "a=up b=draining c=up");
    const { to_give } = await status_of(b);
    assert.deepEqual(to_give, { shards: 0, hand_overs: 0, jobs: 0, done: true });
    assert.equal(await ready(b), 503);
    await is_whole(1);
    for (const group of groups) await eventually(`2 in ${group}`, async () => (await api(c, "publish", { channel: group, data: 2, idempotency_key: "two" })).result);
    for (const ear of ears) assert.equal((await ear.data(1)).at(-1), 2, "b serves its clients");
    await is_whole(2);
    assert.equal(connection.of("connected").length, 1);

    const undone = await cluster(b, "drain", "--undo");
    assert.equal(undone.code, 0, undone.stderr);
    for (const each of [a, b, c]) await sees(each, "a=up b=up c=up");
    assert.equal(await ready(b), 200);
    assert.equal((await status_of(b)).to_give, undefined);
    await is_whole(2);
    await eventually("b owns some of them again", async () => (await status_of(b)).state === "up");

    assert.equal((await cluster(b, "drain", "--clients")).code, 0);
    await connection.next("connected");
    await connection.next("connecting", ({ code }) => code !== 0);
    await connection.next("connected");
    await is_whole(2);
    client.disconnect();

    const up = await api(a, "cluster/remove", { node: "b" });
    assert.equal(up.status, 409);
    assert.equal(up.error.reason, "still_up");
    assert.match((await cluster(a, "remove", "b")).stderr, /b is draining; stop it first/);
    assert.equal((await api(a, "cluster/remove", { node: "z" })).error.reason, "unknown_node");
    assert.equal((await api(a, "cluster/remove", { node: "a" })).error.reason, "itself");
    const { incarnation } = await status_of(b);
    assert.equal(await b.kill("SIGTERM"), 0, b.output);
    await sees(a, "a=up b=left c=up");
    const removed = await cluster(a, "remove", "b");
    assert.equal(removed.code, 0, removed.stderr);
    for (const each of [a, c]) await sees(each, "a=up c=up");
    await b.start_again();
    for (const each of [a, b, c]) await sees(each, "a=up b=up c=up");
    assert.ok((await status_of(b)).incarnation > incarnation);
    await is_whole(2);
  });

  test("drains the node that keeps the jobs, and none that is alone; removes the dead, and the living by force", async (t) => {
    const [a, b, c] = await three(t, []);
    const jobs_at = (server, home) => eventually(`${home} keeps the jobs`, async () => {
      const { jobs } = await status_of(server);
      return jobs.home === home && jobs.served;
    });
    for (const each of [a, b, c]) await jobs_at(each, "a");
    const later = { task: "reports.build", args: ["later", 1], id: "later", countdown: "1h" };
    assert.equal((await ask(a, "/api/jobs", { method: "POST", body: JSON.stringify(later) })).status, 202);
    assert.equal((await cluster(a, "drain")).code, 0);
    for (const each of [a, b, c]) await jobs_at(each, "b");
    assert.equal((await ask(c, "/api/jobs/later")).status, 200, "it waited until all had moved");

    await c.kill("SIGKILL");
    await sees(b, "a=draining b=up c=dead");
    const alone = await api(b, "cluster/drain");
    assert.equal(alone.status, 409);
    assert.equal(alone.error.reason, "alone");
    assert.equal((await cluster(b, "remove", "c")).code, 0);
    for (const [each, wanted] of [[a, "a=draining b=up"], [b, "a=draining b=up"]]) await sees(each, wanted);
    const ended = new Promise((done) => a.child.once("exit", done));
    assert.equal((await cluster(b, "remove", "a", "--force")).code, 0);
    await within(ended, "a ends by itself");
    await sees(b, "b=up");
    await a.start_again(); // it has nobody's address, and is not looked for any more
    await sees(a, "a=up");
    await sees(b, "b=up");
    await c.stop();
  });

  test("without a cluster is told so", async (t) => {
    const server = await Server.start({ config: `api_keys = ["tests:all:${key}"]\n`, options: ["--no-bundled"] });
    t.after(() => server.stop());
    const { status, error } = await api(server, "cluster/drain");
    assert.equal(status, 501);
    assert.equal(error.reason, "no_cluster");
    const told = await cluster(server, "drain");
    assert.equal(told.code, 1);
    assert.match(told.stderr, /in no cluster/);
  });
});

test("through nginx all transports are in one room, also when a node is killed", async (t) => {
  const servers = await three(t);
  const nginx = await Nginx.start(servers.map(({ url }) => url));
  t.after(() => nginx.end());
  const members = ["websocket", "http_stream", "sse"].map((transport) => {
    const at = transport === "websocket" ? nginx.url.replace(/^http/, "ws") : nginx.url;
    const client = new Centrifuge([{ transport, endpoint: `${at}/connection/${transport}` }],
                                  { websocket: WebSocket, eventsource: EventSource, emulationEndpoint: `${nginx.url}/emulation`,
                                    minReconnectDelay: 100, maxReconnectDelay: 1000, timeout: 3000 });
    t.after(() => client.disconnect());
    const sub = client.newSubscription("open:room");
    const ear = new Ear(sub, transport);
    sub.subscribe();
    client.connect();
    return { transport, client, sub, ear };
  });
  for (const { ear } of members) await ear.next("subscribed");
  const hear = (text) => Promise.all(members.map(({ ear }) => ear.next("publication", ({ data }) => data === text)));
  for (const { sub, transport } of members) {
    await within(sub.publish(`from ${transport}`), `${transport} publishes`);
    await hear(`from ${transport}`);
  }

  const open = async (server) => Number(/^madang_connections_open (\S+)/m.exec(await (await fetch(`${server.internal}/metrics`)).text())[1]);
  const counts = await Promise.all(servers.map(open));
  t.diagnostic(`connections of a, b and c: ${counts}`);
  const killed = servers[counts.indexOf(Math.max(...counts))];
  await killed.kill("SIGKILL");
  for (const { sub, transport } of members) {
    let round = 0;
    const said = await eventually(`${transport} publishes again`, async () => {
      const text = `${transport} goes on ${round += 1}`;
      await within(sub.publish(text), "an answer", 5000);
      return text;
    }, 30_000);
    await hear(said);
  }
});
