// The server API through an unmodified client library (npm's cent.js), every method of it, with a client of the protocol that
// sees what they do.
import { CentClient, CentException } from "cent.js";
import { Centrifuge } from "centrifuge";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { Host } from "./host.mjs";
import { Ear, eventually } from "./kit.mjs";

const apiKey = "a-key-of-these-tests-that-is-long-enough";
let host, cent, url;
const names = { last: 0 };
const group_of = (namespace) => `${namespace}:api-${names.last += 1}`;
const clients = [];

before(async () => {
  host = await Host.start();
  const server = await host.shared("main");
  url = server.url;
  cent = new CentClient({ url: `${host.things.get(server.id).internal}/api`, apiKey });
});
after(() => {
  for (const each of clients) each.disconnect();
  return host?.stop();
});

// A connected client of a user of its own.
async function client_of(options = {}) {
  const user = `user-${names.last += 1}`;
  const token = host.token({ sub: user, exp: Math.floor(Date.now() / 1000) + 600 });
  const client = new Centrifuge(`${url.replace(/^http/, "ws")}/connection/websocket`, { token, websocket: WebSocket, ...options });
  clients.push(client);
  const ear = new Ear(client, user);
  client.connect();
  const { client: id } = await ear.next("connected");
  return { client, ear, user, id };
}

async function subscribed(client, group) {
  const sub = client.newSubscription(group);
  const ear = new Ear(sub, group);
  sub.subscribe();
  await ear.next("subscribed");
  return ear;
}

describe("cent.js", { concurrency: true }, () => {
  test("publishes, with tags, and reads history", async () => {
    const group = group_of("hist");
    const { client } = await client_of();
    const ear = await subscribed(client, group);
    const first = await cent.publish({ channel: group, data: { n: 1 }, tags: { lang: "ko" } });
    assert.equal(first.offset, 1);
    assert.deepEqual(await cent.publish({ channel: group, data: { n: 2 } }), { offset: 2, epoch: first.epoch });
    assert.deepEqual(await cent.publish({ channel: group, data: { n: 3 }, skip_history: true }), {});
    assert.deepEqual(await ear.data(3), [{ n: 1 }, { n: 2 }, { n: 3 }]);
    assert.deepEqual(ear.of("publication")[0].tags, { lang: "ko" });
    const past = await cent.getHistory({ channel: group, limit: 10 });
    assert.deepEqual(past.publications.map(({ offset, data }) => [offset, data.n]), [[1, 1], [2, 2]]);
    const since = await cent.getHistory({ channel: group, limit: 10, since: { offset: 1, epoch: first.epoch } });
    assert.deepEqual(since.publications.map(({ offset }) => offset), [2]);
    const back = await cent.getHistory({ channel: group, limit: 1, reverse: true });
    assert.deepEqual(back.publications.map(({ offset }) => offset), [2]);
    assert.deepEqual(await cent.removeHistory({ channel: group }), {});
    const gone = await cent.getHistory({ channel: group, limit: 10 });
    assert.deepEqual([gone.publications, gone.offset, gone.epoch], [[], 2, first.epoch]);
  });

  test("broadcasts", async () => {
    const groups = [group_of("hist"), group_of("plain")];
    const { responses } = await cent.broadcast({ channels: [...groups, "nowhere:1"], data: { all: true } });
    assert.equal(responses[0].result.offset, 1);
    assert.deepEqual(responses[1], { result: {} });
    assert.equal(responses[2].error.code, 102);
  });

  test("subscribes and unsubscribes a user, who is told", async () => {
    const group = group_of("plain");
    const { ear, user, id } = await client_of();
    await cent.subscribe({ user, channel: group });
    await ear.next("subscribed", (each) => each.channel === group);
    await cent.publish({ channel: group, data: { to: user } });
    await ear.next("publication", (each) => each.data.to === user);
    await cent.unsubscribe({ user, channel: group, client: id });
    await ear.next("unsubscribed", (each) => each.channel === group);
  });

  test("sees who is there, and which groups there are", async () => {
    const group = group_of("room");
    const { client, user, id } = await client_of();
    await subscribed(client, group);
    const { presence } = await eventually(() => cent.getPresence({ channel: group }), (got) => got.presence[id], "presence");
    assert.equal(presence[id].user, user);
    assert.deepEqual(await cent.getPresenceStats({ channel: group }), { num_clients: 1, num_users: 1 });
    assert.deepEqual((await cent.getChannels({ pattern: group })).channels, { [group]: { num_clients: 1 } });
    const { nodes } = await cent.getInfo();
    assert.equal(nodes.length, 1);
    assert.ok(nodes[0].num_clients >= 1 && nodes[0].name && nodes[0].version);
  });

  test("refreshes and disconnects a user", async () => {
    const { ear, user } = await client_of();
    await cent.refresh({ user, expire_at: Math.floor(Date.now() / 1000) + 3600 });
    await cent.disconnect({ user });
    const { code } = await ear.next("disconnected");
    assert.equal(code, 3503);
  });

  test("sends several commands in one request", async () => {
    const group = group_of("hist");
    const replies = await cent.pipeline([
      { method: "publish", params: { channel: group, data: { n: 1 } } },
      { method: "presence_stats", params: { channel: group_of("room") } },
      { method: "history", params: { channel: group, limit: 1 } },
    ]);
    assert.equal(replies[0].offset, 1);
    assert.deepEqual(replies[1], { num_clients: 0, num_users: 0 });
    assert.deepEqual(replies[2].publications.map(({ data }) => data), [{ n: 1 }]);
  });

  test("is told errors as it knows them", async () => {
    await assert.rejects(cent.publish({ channel: "nowhere:1", data: {} }), CentException);
    await assert.rejects(cent.getHistory({ channel: group_of("plain"), limit: 1 }), CentException);
    await assert.rejects(new CentClient({ url: `${cent.centOptions.url}`, apiKey: "another" }).getInfo(), CentException);
  });
});
