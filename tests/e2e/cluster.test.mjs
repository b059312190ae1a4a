// Three `madang serve --join` as one: rooms, streams and presence across them, the death of one and its return, and
// certificates of the cluster's own.
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { WebSocket } from "ws";
import { Ear, numbers, within } from "./centrifuge/kit.mjs";
import { Client } from "./support/client.mjs";
import { ask, binary, eventually, run, sees, start_node, start_nodes, status_of } from "./support/cluster.mjs";
import { token_of } from "./support/jwt.mjs";
import { secret } from "./support/server.mjs";

const config = `[namespace.news]\nhistory_size = 100\nhistory_ttl = "10m"\nrecovery = true\npresence = true\nallow_subscribe = "users"\n` +
  `[namespace.hall]\npresence = true\njoin_leave = true\nallow_subscribe = "users"\n` +
  `[namespace.board]\nhistory_size = 100\nhistory_ttl = "10m"\nrecovery = true\npresence = true\njoin_leave = true\n` +
  `allow_subscribe = "users"\nallow_presence = "everyone"\n` +
  `[namespace.open]\nallow_subscribe = "everyone"\nallow_publish = "everyone"\nallow_history = "everyone"\nhistory_size = 100\nhistory_ttl = "1m"\nrecovery = true\n`;
const folders = [];

const start = (name, others = [], options = []) => start_node(config, name, others, options);

async function three(t) {
  const nodes = await start_nodes(t, config, ["a", "b", "c"]);
  for (const each of nodes) await sees(each, "a=up b=up c=up");
  return nodes;
}

const api = async (server, method, body) => (await ask(server, `/api/${method}`, { method: "POST", body: JSON.stringify(body) })).json();

// Whether that message came, of all that did; takes them.
async function hears(member, wanted, patience_ms) {
  for (const end = Date.now() + patience_ms; Date.now() < end; await new Promise((done) => setTimeout(done, 5)))
    while (member.arrived.length) if (JSON.parse(member.arrived.shift()).message === wanted) return true;
  return false;
}
async function next_message(member, wanted) {
  assert.ok(await hears(member, wanted, 10_000), `"${wanted}" should come`);
}

// Members of a room, all of whom hear each: who owns the room has to be told of the others first.
async function room(servers, name) {
  const members = [];
  for (const each of servers) members.push(await Client.connect(each, `/ws/chat/${name}/`));
  let round = 0;
  await eventually("everybody hears everybody", async () => {
    round += 1;
    for (const [i, each] of members.entries()) {
      each.send({ message: `ready ${round} ${i}` });
      for (const other of members) if (!await hears(other, `ready ${round} ${i}`, 300)) return false;
    }
    return true;
  });
  return members;
}

// Each request to the next server; `came` says which paths each of them got.
async function round_robin(servers) {
  const came = servers.map(() => []);
  let next = 0;
  const proxy = createServer((asked, answer) => {
    const at = next++ % servers.length;
    came[at].push(new URL(asked.url, servers[at].url).pathname);
    const passed = request(new URL(asked.url, servers[at].url), { method: asked.method, headers: asked.headers, agent: false }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      answer.flushHeaders();
      got.on("error", () => answer.destroy());
      got.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  });
  await new Promise((up) => proxy.listen(0, "127.0.0.1", up));
  return { url: `http://127.0.0.1:${proxy.address().port}`, came, stop() { proxy.closeAllConnections(); proxy.close(); } };
}

after(async () => {
  for (const each of folders) await rm(each, { recursive: true, force: true });
});

describe("a cluster of three", () => {
  test("is one room for its clients, loses a node and takes it back", async (t) => {
    const [a, b, c] = await three(t);
    for (const name of ["one", "two", "three", "four"]) {
      const members = await room([a, b, c], name);
      for (const [i, each] of members.entries()) {
        each.send({ message: `from ${i} 안녕` });
        await Promise.all(members.map((other) => next_message(other, `from ${i} 안녕`)));
      }
      await Promise.all(members.map((each) => each.close()));
    }

    const at = Date.now();
    await c.kill("SIGKILL");
    await sees(a, "a=up b=up c=dead", 5_000);
    await sees(b, "a=up b=up c=dead", 5_000);
    t.diagnostic(`a killed node was out of the view after ${Date.now() - at} ms`);
    const members = await room([a, b], "afterwards");
    members[0].send({ message: "still here" });
    await next_message(members[1], "still here");

    await c.start_again();
    for (const each of [a, b, c]) await sees(each, "a=up b=up c=up");
    const all = await room([a, b, c], "again");
    all[2].send({ message: "back" });
    for (const each of all) await next_message(each, "back");
  });

  test("tells everybody once who left with a node that died, whichever owned their group", async (t) => {
    const [a, b, c] = await three(t);
    const groups = Array.from({ length: 12 }, (_, i) => `hall:${i}`);
    const clients = [];
    t.after(() => clients.forEach(({ client }) => client.disconnect()));
    for (const each of [a, b, c]) {
      const client = new Centrifuge(`${each.url.replace(/^http/, "ws")}/connection/websocket`,
                                    { token: token_of("somebody", secret), websocket: WebSocket });
      const entry = { client, subscribed: 0, joined: [], left: [] };
      client.on("connected", ({ client: id }) => { entry.id ??= id; });
      for (const group of groups) {
        const sub = client.newSubscription(group, { joinLeave: true });
        sub.on("subscribed", () => { entry.subscribed += 1; });
        sub.on("join", ({ info }) => entry.joined.push(`${group} ${info.client}`));
        sub.on("leave", ({ info }) => entry.left.push(`${group} ${info.client}`));
        sub.subscribe();
      }
      client.connect();
      clients.push(entry);
      await eventually("all are subscribed", () => entry.subscribed === groups.length);
    }
    const [one, two, dying] = clients;
    const of_dying = groups.map((group) => `${group} ${dying.id}`).sort();
    for (const each of [one, two])
      await eventually("its joins are told", () => of_dying.every((line) => each.joined.includes(line)));
    await c.kill("SIGKILL");
    dying.client.disconnect();
    for (const each of [one, two]) await eventually("its leaves are told", () => each.left.length >= groups.length);
    one.client.disconnect(); // and behind them nothing but this
    await eventually("the next leaves are told", () => two.left.some((line) => line.endsWith(one.id)));
    for (const each of [one, two]) assert.deepEqual(each.left.filter((line) => !line.endsWith(one.id)).sort(), of_dying);
  });

  test("tells those with a position who left, or to subscribe again, and who is there is right then", async (t) => {
    const [a, b, c] = await three(t);
    const groups = Array.from({ length: 24 }, (_, i) => `board:${i}`);
    const clients = [];
    t.after(() => clients.forEach(({ client }) => client.disconnect()));
    for (const each of [a, b, c]) {
      const client = new Centrifuge(`${each.url.replace(/^http/, "ws")}/connection/websocket`,
                                    { token: token_of("somebody", secret), websocket: WebSocket });
      const entry = { client, subs: {}, subscribed: [], again: [], left: [] };
      client.on("connected", ({ client: id }) => { entry.id ??= id; });
      for (const group of groups) {
        const sub = entry.subs[group] = client.newSubscription(group, { joinLeave: true, positioned: true, recoverable: true });
        sub.on("subscribed", () => entry.subscribed.push(group));
        sub.on("subscribing", ({ code }) => { if (code === 2500) entry.again.push(group); });
        sub.on("leave", ({ info }) => entry.left.push(`${group} ${info.client}`));
        sub.subscribe();
      }
      client.connect();
      clients.push(entry);
      await eventually("all are subscribed", () => entry.subscribed.length === groups.length);
    }
    const [one, two, dying] = clients;
    const there = async (entry, group) => Object.keys((await entry.subs[group].presence()).clients).sort().join(" ");
    const all_see = async (wanted, who) => {
      for (const each of who)
        for (const group of groups) {
          const seen = await there(each, group);
          if (seen !== wanted.map(({ id }) => id).sort().join(" ")) throw new Error(`${group}: ${seen}`);
        }
      return true;
    };
    await eventually("all three are there", () => all_see(clients, clients));

    // What they heard so far is of their own joining.
    const begun = [one, two].map(({ subscribed }) => subscribed.length);
    for (const each of clients) each.left.length = each.again.length = 0;
    const at = Date.now();
    await c.kill("SIGKILL");
    dying.client.disconnect();
    await eventually("two are there", () => all_see([one, two], [one, two]));
    t.diagnostic(`who is there was right ${Date.now() - at} ms after the kill`);
    const told = (entry, group) => entry.left.filter((line) => line === `${group} ${dying.id}`).length;
    for (const [i, each] of [one, two].entries()) {
      await eventually("each group is told of it", () => groups.every((group) => told(each, group) === 1 || each.again.includes(group)));
      await eventually("all are subscribed again", () => each.subscribed.length === begun[i] + each.again.length);
    }
    t.diagnostic(`${one.again.length} of ${groups.length} groups were the dead node's`);

    // And behind these nothing but another leave, from an owner that lives.
    one.client.disconnect();
    await eventually("the next leaves are told", () => groups.every((group) => two.left.includes(`${group} ${one.id}`)));
    for (const each of [one, two])
      for (const group of groups) assert.equal(told(each, group), each.again.includes(group) ? 0 : 1, group);
    // Who subscribes again is told of as left and joined: nobody else is.
    for (const group of groups.filter((each) => !two.again.includes(each)))
      assert.deepEqual(two.left.filter((line) => line.startsWith(`${group} `)).sort(), [dying, one].map(({ id }) => `${group} ${id}`).sort());
    assert.deepEqual(one.again.toSorted(), two.again.toSorted());
    await all_see([two], [two]);
  });

  test("answers for a stream on any node, and a node that drains leaves", async (t) => {
    const [a, b, c] = await three(t);
    for (const group of ["news:1", "news:2", "news:3"]) {
      const first = await api(a, "publish", { channel: group, data: { n: 1 } });
      assert.equal(first.result.offset, 1, JSON.stringify(first));
      assert.equal((await api(b, "publish", { channel: group, data: { n: 2 } })).result.offset, 2);
      for (const each of [a, b, c]) {
        const { result } = await api(each, "history", { channel: group, limit: 10 });
        assert.deepEqual(result.publications.map(({ data }) => data.n), [1, 2]);
        assert.equal(result.epoch, first.result.epoch);
      }
    }
    const info = await api(b, "info", {});
    assert.equal(info.result.nodes.length, 3, JSON.stringify(info));
    const member = await Client.connect(c, "/ws/chat/far/");
    await eventually("the room is seen from another node", async () =>
      (await api(a, "channels", {})).result.channels["room:far"]?.num_clients === 1);
    await member.close();
    assert.equal(await c.kill("SIGTERM"), 0, c.output);
    await sees(a, "a=up b=up c=left");
    await sees(b, "a=up b=up c=left");
  });

  test("keeps its streams whole while a node drains, goes and returns", async (t) => {
    const [a, b, c] = await three(t);
    const groups = Array.from({ length: 12 }, (_, i) => `news:moves-${i}`);
    const first = {};
    for (const group of groups) first[group] = (await api(a, "publish", { channel: group, data: 1 })).result;

    // Clients of the nodes that stay, with positions from the beginning; what each saw, by group.
    const clients = [];
    t.after(() => clients.forEach(({ client }) => client.disconnect()));
    for (const each of [a, b]) {
      const client = new Centrifuge(`${each.url.replace(/^http/, "ws")}/connection/websocket`,
                                    { token: token_of("somebody", secret), websocket: WebSocket });
      const seen = Object.fromEntries(groups.map((group) => [group, []]));
      const told = { recovered: 0, lost: [] };
      for (const group of groups) {
        const sub = client.newSubscription(group, { since: { epoch: first[group].epoch, offset: 1 } });
        sub.on("publication", ({ offset, data }) => seen[group].push([offset, data]));
        sub.on("subscribed", ({ wasRecovering, recovered, streamPosition }) => {
          if (recovered) told.recovered += 1;
          else told.lost.push({ group, wasRecovering, streamPosition });
        });
        sub.subscribe();
      }
      client.connect();
      clients.push({ client, seen, told });
    }
    await eventually("all are subscribed", () => clients.every(({ told }) => told.recovered === groups.length));

    // Each number once: what was refused is asked again by its key.
    let last = 1, enough = false;
    const publisher = (async () => {
      while (!enough || last < 20) {
        last += 1;
        for (const group of groups)
          await eventually(`${last} in ${group}`, async () =>
            (await api(a, "publish", { channel: group, data: last, idempotency_key: `number ${last}` })).result);
        await new Promise((done) => setTimeout(done, 100));
      }
    })();
    assert.equal(await c.kill("SIGTERM"), 0, c.output);
    await sees(a, "a=up b=up c=left");
    await sees(b, "a=up b=up c=left");
    await c.start_again();
    for (const each of [a, b, c]) await sees(each, "a=up b=up c=up");
    enough = true;
    await publisher;

    const numbers = Array.from({ length: last }, (_, i) => i + 1);
    for (const each of [a, b, c])
      for (const group of groups) {
        const { result } = await api(each, "history", { channel: group, limit: 1000 });
        assert.equal(result.epoch, first[group].epoch, group);
        assert.deepEqual(result.publications.map(({ offset, data }) => [offset, data]),
                         numbers.slice(-100).map((n) => [n, n]), group);
      }
    for (const { seen, told } of clients) {
      for (const group of groups)
        await eventually(`${group} is seen to its end`, () => seen[group].length === last - 1);
      for (const group of groups) assert.deepEqual(seen[group], numbers.slice(1).map((n) => [n, n]), group);
      assert.deepEqual(told.lost, []);
      assert.ok(told.recovered > groups.length, "some of the groups moved");
    }
  });

  test("takes an emulated session's commands at any node", async (t) => {
    const a = await start("a");
    const b = await start("b", [(await status_of(a)).address]);
    t.after(() => Promise.all([a, b].map((each) => each.stop())));
    for (const each of [a, b]) await sees(each, "a=up b=up");
    for (const transport of ["http_stream", "sse"]) {
      const proxy = await round_robin([a, b]);
      const client = new Centrifuge([{ transport, endpoint: `${proxy.url}/connection/${transport}` }],
                                    { eventsource: EventSource, emulationEndpoint: `${proxy.url}/emulation` });
      try {
        const connected = new Ear(client, transport);
        client.connect();
        await connected.next("connected");
        const sub = client.newSubscription(`open:${transport}`);
        const ear = new Ear(sub, transport);
        sub.subscribe();
        await ear.next("subscribed");
        for (const n of numbers(0, 20)) await within(sub.publish(n), `publication ${n}`);
        assert.deepEqual(await ear.data(20), numbers(0, 20));
        assert.equal((await sub.history({ limit: -1 })).publications.length, 20);
        assert.equal(connected.of("connected").length, 1, "nothing had to be connected again");
        const emulated = proxy.came.map((paths) => paths.filter((path) => path === "/emulation").length);
        assert.ok(emulated.every((count) => count >= 10), `each node got some: ${emulated}`);
      } finally {
        client.disconnect();
        proxy.stop();
      }
    }
    const body = { session: "nobody's", data: "{}" };
    const status = async (node) => (await fetch(`${a.url}/emulation`, { method: "POST", body: JSON.stringify({ ...body, node }) })).status;
    assert.equal(await status("0123456789abcdef"), 404);
    const node_of = async (server) => (await api(server, "info", {})).result.nodes.find(({ uid }) => uid)?.uid;
    assert.equal(await status(await node_of(b)), 204, "as on the session's own node");
  });

  test("lets in whom its own authority knows, and nobody else", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "madang-ca-"));
    const other = await mkdtemp(join(tmpdir(), "madang-ca-"));
    folders.push(folder, other);
    for (const [where, names] of [[folder, ["a", "b"]], [other, ["c"]]]) {
      await run(binary, ["cluster", "init-ca", where]);
      for (const name of names) await run(binary, ["cluster", "issue", name, where]);
    }
    const certified = (name, where) => ["--cluster-certificate", `${where}/${name}.pem`, "--cluster-key", `${where}/${name}.key`,
                                        "--cluster-ca", `${where}/ca.pem`];
    const a = await start("a", [], certified("a", folder));
    const { address } = await status_of(a);
    const b = await start("b", [address], certified("b", folder));
    const stranger = await start("c", [address], certified("c", other));
    t.after(() => Promise.all([a, b, stranger].map((each) => each.stop())));
    await sees(a, "a=up b=up");
    await sees(b, "a=up b=up");
    const members = await room([a, b], "certified");
    members[0].send({ message: "over TLS" });
    await next_message(members[1], "over TLS");
    await eventually("the stranger is counted", async () =>
      /madang_cluster_refused_total\{reason="[^"]+"\} [1-9]/.test(await (await fetch(`${a.internal}/metrics`)).text()));
    assert.equal((await status_of(stranger)).nodes.some((each) => each.link), false);
    const { stdout } = await run(binary, ["cluster", "status", "--url", a.internal]);
    assert.match(stdout, /node a is up/);
    assert.match(stdout, /b +up/);
  });
});
