// The protocol without the package: what no well-behaved client sends, the unidirectional transports, long polling, and the
// addresses themselves.
import { Centrifuge as InProtobuf } from "centrifuge/build/protobuf";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { Client, refusal_of } from "../support/client.mjs";
import { Host } from "./host.mjs";

let host;
const names = { last: 0 };
const group_of = (namespace) => `${namespace}:raw-${names.last += 1}`;
before(async () => { host = await Host.start(); });
after(() => host?.stop());

async function server(name = "main") {
  const { id, url } = await host.shared(name);
  return { id, url, ws: (path) => url.replace(/^http/, "ws") + path };
}

async function api(method, params, name) {
  const said = await host.api((await server(name)).id, method, params);
  assert.equal(said.error, undefined, JSON.stringify(said.error));
  return said.result;
}

const publish = (group, data, name) => api("publish", { channel: group, data }, name);

// A WebSocket client whose replies are taken line by line.
class Speaker {
  static async open(name, path = "/connection/websocket") {
    const speaker = new Speaker();
    speaker.client = await Client.connect(await server(name), path);
    speaker.lines = [];
    return speaker;
  }

  static async connected(name) {
    const speaker = await Speaker.open(name);
    assert.ok((await speaker.ask({ id: 1, connect: {} })).connect.client);
    return speaker;
  }

  say(...commands) {
    this.client.send(commands.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join("\n"));
  }

  async text() {
    while (!this.lines.length) {
      const frame = await this.client.receive();
      const lines = frame.replace(/\n$/, "").split("\n");
      assert.ok(lines.every(Boolean), `a blank line in ${JSON.stringify(frame)}`);
      this.lines.push(...lines);
    }
    return this.lines.shift();
  }

  async hear() {
    return JSON.parse(await this.text());
  }

  async ask(...commands) {
    this.say(...commands);
    return this.hear();
  }

  async refused(...commands) {
    const { error } = await this.ask(...commands);
    assert.ok(error?.message, "an error has a message");
    return error.code;
  }
}

async function ends_with(speaker, code) {
  const end = await speaker.client.end();
  assert.equal(end.code, code, end.reason);
  assert.match(end.reason, /^[a-z][ -~]+$/, "a short plain reason");
}

// A stream of server-sent events, or of lines, taken one by one.
class Stream {
  static async open(path, { body, server: name, method = body === undefined ? "GET" : "POST" } = {}) {
    const stream = new Stream();
    stream.abort = new AbortController();
    stream.response = await fetch(`${(await server(name)).url}${path}`, { method, body, signal: stream.abort.signal });
    stream.events = stream.response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    stream.reader = stream.response.body.pipeThrough(new TextDecoderStream()).getReader();
    stream.read = "";
    return stream;
  }

  // undefined at the end.
  async text() {
    const mark = this.events ? "\n\n" : "\n";
    for (;;) {
      const end = this.read.indexOf(mark);
      if (end >= 0) {
        const piece = this.read.slice(0, end);
        this.read = this.read.slice(end + mark.length);
        return this.events ? piece.replace(/^data: ?/, "") : piece;
      }
      const { value, done } = await this.reader.read();
      if (done) return undefined;
      this.read += value;
    }
  }

  async hear() {
    return JSON.parse(await this.text());
  }

  close() {
    this.abort.abort();
  }
}

describe("raw", { concurrency: 12 }, () => {
  // -- the session's rules

  for (const [what, ...commands] of [
    ["a command before connect", { id: 1, publish: { channel: "plain:x", data: 1 } }],
    ["an empty frame", ""],
    ["what is not JSON", "{"],
    ["what is no object", "[]"],
    ["a connect without an id", { connect: {} }],
    ["a second connect", { id: 1, connect: {} }, { id: 2, connect: {} }],
    ["a pong that nobody asked for", { id: 1, connect: {} }, {}],
    ["a ping of the client's", { id: 1, connect: {} }, { id: 2, ping: {} }],
    ["a subscription to no group", { id: 1, connect: {} }, { id: 2, subscribe: {} }],
    ["a command without an id", { id: 1, connect: {} }, { rpc: { method: "x", data: 1 } }],
  ]) {
    test(`${what} ends the connection with 3501`, async () => {
      const speaker = await Speaker.open();
      speaker.say(...commands);
      await ends_with(speaker, 3501);
    });
  }

  test("who does not connect in time is sent away with 3502", async () => {
    const own = await host.own({ options: ["--client-connect-timeout", "200ms"] });
    const client = await Client.connect({ url: own.url, ws: (path) => own.url.replace(/^http/, "ws") + path }, "/connection/websocket");
    assert.equal((await client.end()).code, 3502);
    await host.stop_thing(own.id);
  });

  test("pings are answered or the connection ends with 3012", async () => {
    const speaker = await Speaker.open("hasty");
    const { connect } = await speaker.ask({ id: 1, connect: {} });
    assert.deepEqual([connect.ping, connect.pong], [1, true]);
    for (let i = 0; i < 3; i += 1) {
      assert.equal(await speaker.text(), "{}");
      speaker.say({});
    }
    assert.equal(await speaker.text(), "{}");
    await ends_with(speaker, 3012);
  });

  test("subscriptions may ride in the frame of connect, and are answered after it", async () => {
    const speaker = await Speaker.open();
    const group = group_of("plain");
    speaker.say({ id: 1, connect: {} }, { id: 2, subscribe: { channel: group } }, { id: 3, presence_stats: { channel: group_of("room") } });
    assert.ok((await speaker.hear()).connect);
    const answers = [await speaker.hear(), await speaker.hear()].sort((a, b) => a.id - b.id);
    assert.deepEqual(answers[0], { id: 2, subscribe: {} });
    assert.equal(answers[1].id, 3);
  });

  test("empty results are there all the same", async () => {
    const speaker = await Speaker.connected();
    const group = group_of("plain");
    assert.deepEqual(await speaker.ask({ id: 2, publish: { channel: group, data: 1 } }), { id: 2, publish: {} });
    assert.deepEqual(await speaker.ask({ id: 3, unsubscribe: { channel: group } }), { id: 3, unsubscribe: {} });
  });

  test("a second subscription is 105, another type of subscription 108, the 129th 106", async () => {
    const speaker = await Speaker.connected();
    const group = group_of("plain");
    assert.deepEqual(await speaker.ask({ id: 2, subscribe: { channel: group } }), { id: 2, subscribe: {} });
    assert.equal(await speaker.refused({ id: 3, subscribe: { channel: group } }), 105);
    assert.equal(await speaker.refused({ id: 4, subscribe: { channel: group_of("plain"), type: 1 } }), 108);
    for (let i = 0; i < 127; i += 1) assert.ok((await speaker.ask({ id: 5 + i, subscribe: { channel: group_of("plain") } })).subscribe);
    assert.equal(await speaker.refused({ id: 200, subscribe: { channel: group_of("plain") } }), 106);
  });

  test("an unknown command is 104", async () => {
    const speaker = await Speaker.connected();
    assert.equal(await speaker.refused({ id: 2, dance: {} }), 104);
  });

  test("numbers of 64 bits and the spelling of data pass as they are", async () => {
    const speaker = await Speaker.connected();
    const group = group_of("hist");
    await speaker.ask({ id: 2, subscribe: { channel: group } });
    const data = '{"n":18446744073709551615,"m":-9223372036854775808,"x":1.0e+2,"y":0.10,"s":"\\u00e9\\/é"}';
    speaker.say(`{"id":4294967295,"publish":{"channel":"${group}","data":${data}}}`);
    const lines = [await speaker.text(), await speaker.text()];
    assert.ok(lines.includes('{"id":4294967295,"publish":{}}'), lines.join("\n"));
    assert.ok(lines.some((each) => each.includes(`"data":${data}`)), lines.join("\n"));
    speaker.say({ id: 4, history: { channel: group, limit: 1 } });
    assert.ok((await speaker.text()).includes(`"data":${data}`));
  });

  test("data that spans lines comes on one", async () => {
    const speaker = await Speaker.connected();
    const group = group_of("plain");
    await speaker.ask({ id: 2, subscribe: { channel: group } });
    const said = await fetch(`${host.things.get((await server()).id).internal}/api/publish`, {
      method: "POST", headers: { "X-API-Key": "a-key-of-these-tests-that-is-long-enough" },
      body: `{"channel":"${group}","data":{\n  "a": [\r\n 1 ]\n}\n}` });
    assert.equal(said.status, 200);
    assert.deepEqual(strip_time(await speaker.hear()).push, { channel: group, pub: { data: { a: [1] } } });
  });

  test("commands without their answers are bounded: 3013", async () => {
    const speaker = await Speaker.connected("asking");
    speaker.say(...Array.from({ length: 600 }, (_, i) => ({ id: i + 2, rpc: { method: "x", data: i } })));
    await ends_with(speaker, 3013);
  });

  test("a client that wants Protobuf is told 3506 and does not come back", async () => {
    for (const [transport, scheme] of [["websocket", "ws"], ["http_stream", "http"]]) {
      const at = new URL(`/connection/${transport}`, (await server()).url);
      const client = new InProtobuf([{ transport, endpoint: String(at).replace(/^http/, scheme) }],
                                    { websocket: WebSocket, emulationEndpoint: String(new URL("/emulation", at)) });
      const ended = new Promise((done) => client.on("disconnected", done));
      client.connect();
      assert.deepEqual(await ended, { code: 3506, reason: "inappropriate protocol" }, transport);
    }
  });

  test("a recovery's offset is the one asked for, and its publications follow it", async () => {
    const group = group_of("hist");
    const { epoch } = await publish(group, "a");
    await publish(group, "b");
    const speaker = await Speaker.connected();
    const { subscribe } = await speaker.ask({ id: 2, subscribe: { channel: group, recover: true, epoch, offset: 1 } });
    assert.equal(subscribe.offset, 1);
    assert.equal(subscribe.epoch, epoch);
    assert.deepEqual([subscribe.recovered, subscribe.was_recovering, subscribe.recoverable, subscribe.positioned], [true, true, true, true]);
    assert.deepEqual(subscribe.publications.map(({ data, offset }) => ({ data, offset })), [{ data: "b", offset: 2 }]);
  });

  test("the API's refresh tells the connection its new end", async () => {
    const user = `user-${group_of("x")}`;
    const speaker = await Speaker.open();
    const { connect } = await speaker.ask({ id: 1, connect: { token: host.token({ sub: user, exp: Math.floor(Date.now() / 1000) + 600 }) } });
    assert.equal(connect.expires, true);
    assert.ok(connect.ttl > 590 && connect.ttl <= 600, `${connect.ttl}`);
    await api("refresh", { user, expire_at: Math.floor(Date.now() / 1000) + 100 });
    const { push } = await speaker.hear();
    assert.equal(push.refresh.expires, true);
    assert.ok(push.refresh.ttl > 95 && push.refresh.ttl <= 100, `${push.refresh.ttl}`);
  });

  // -- every transport, one stream

  test("clients of every transport see one and the same stream", async () => {
    const group = group_of("hist");
    const subs = { id: 1, connect: {} };
    const ws = await Speaker.connected();
    await ws.ask({ id: 2, subscribe: { channel: group } });
    const sse = await Stream.open(`/connection/sse?cf_connect=${encodeURIComponent(`${JSON.stringify(subs)}\n${JSON.stringify({ id: 2, subscribe: { channel: group } })}`)}`);
    const lines = await Stream.open("/connection/http_stream", { body: `${JSON.stringify(subs)}\n${JSON.stringify({ id: 2, subscribe: { channel: group } })}` });
    const wanted = encodeURIComponent(JSON.stringify({ subs: { [group]: {} } }));
    const uni_sse = await Stream.open(`/connection/uni_sse?cf_connect=${wanted}`);
    const uni_lines = await Stream.open("/connection/uni_http_stream", { body: JSON.stringify({ subs: { [group]: {} } }) });
    const uni_ws = await Speaker.open("main", "/connection/uni_websocket");
    uni_ws.say({ subs: { [group]: {} } });
    for (const each of [sse, lines]) {
      assert.ok((await each.hear()).connect);
      assert.ok((await each.hear()).subscribe);
    }
    for (const each of [uni_sse, uni_lines, uni_ws]) assert.ok((await each.hear()).connect.subs[group], "the server's subscription");
    for (let i = 0; i < 20; i += 1) await publish(group, { i, text: "마당\n" });
    for (let i = 0; i < 20; i += 1) {
      const push = { channel: group, pub: { data: { i, text: "마당\n" }, offset: i + 1 } };
      for (const each of [ws, sse, lines]) assert.deepEqual(strip_time(await each.hear()), { push });
      for (const each of [uni_sse, uni_lines, uni_ws]) assert.deepEqual(strip_time(await each.hear()), push);
    }
    for (const each of [sse, lines, uni_sse, uni_lines]) each.close();
    await uni_ws.client.close();
  });

  // -- unidirectional

  for (const [transport, open] of [
    ["uni_sse", (request) => Stream.open(`/connection/uni_sse?cf_connect=${encodeURIComponent(JSON.stringify(request))}`)],
    ["uni_sse by POST", (request) => Stream.open("/connection/uni_sse", { body: JSON.stringify(request) })],
    ["uni_http_stream", (request) => Stream.open("/connection/uni_http_stream", { body: JSON.stringify(request) })],
    ["uni_websocket", async (request) => {
      const speaker = await Speaker.open("main", "/connection/uni_websocket");
      speaker.say(request);
      return Object.assign(speaker, { close: () => speaker.client.close() });
    }],
  ]) {
    test(`${transport}: a token's groups, joins, a disconnect`, async () => {
      const group = group_of("room");
      const user = `user-${group}`;
      const token = host.token({ sub: user, channels: [group] });
      const stream = await open({ token });
      const { connect } = await stream.hear();
      assert.ok(connect.client);
      assert.deepEqual(Object.keys(connect.subs), [group]);
      const other = await Speaker.connected();
      await other.ask({ id: 2, subscribe: { channel: group } });
      await publish(group, "hello");
      const heard = [];
      while (!heard.some((each) => each.pub)) heard.push(strip_time(await stream.hear()));
      assert.deepEqual(heard.at(-1), { channel: group, pub: { data: "hello" } });
      assert.ok(heard.some((each) => each.join?.info.user === ""), JSON.stringify(heard));
      await api("disconnect", { user, disconnect: { code: 4501, reason: "enough" } });
      if (transport === "uni_websocket") {
        const end = await stream.client.end();
        assert.deepEqual(end, { code: 4501, reason: "enough" });
      } else {
        let last = await stream.hear();
        while (!last.disconnect) last = await stream.hear();
        assert.deepEqual([last.disconnect.code, last.disconnect.reason], [4501, "enough"]);
        assert.equal(await stream.text(), undefined, "the stream ends");
      }
    });

    test(`${transport}: a bad token is told and ends it`, async () => {
      const stream = await open({ token: "x.y.z" });
      if (transport === "uni_websocket") {
        assert.equal((await stream.client.end()).code, 3500);
      } else {
        assert.equal((await stream.hear()).disconnect.code, 3500);
        assert.equal(await stream.text(), undefined);
      }
    });
  }

  test("a unidirectional client recovers by the positions that it names", async () => {
    const group = group_of("hist");
    const { epoch } = await publish(group, 1);
    await publish(group, 2);
    const stream = await Stream.open("/connection/uni_http_stream", { body: JSON.stringify({ subs: { [group]: { recover: true, epoch, offset: 1 } } }) });
    const { connect } = await stream.hear();
    assert.equal(connect.subs[group].recovered, true);
    assert.deepEqual(connect.subs[group].publications.map((each) => each.data), [2]);
    stream.close();
  });

  // -- long polling

  const poll = async (query, name) => {
    const response = await fetch(`${(await server(name)).url}/connection/poll?${query}`);
    return { status: response.status, ...await response.json().catch(() => ({})) };
  };

  test("long polling gives what was missed, then waits for what comes", async () => {
    const group = group_of("hist");
    await publish(group, 1, "polling");
    const first = await poll(`group=${group}`, "polling");
    assert.deepEqual([first.status, first.publications], [200, []], "nothing came in time");
    await publish(group, 2, "polling");
    await publish(group, 3, "polling");
    const second = await poll(`group=${group}&since=${first.since}`, "polling");
    assert.deepEqual([second.publications.map((each) => [each.data, each.group]), second.recovered], [[[2, group], [3, group]], true]);
    const third = await poll(`group=${group}&since=${second.since}`, "polling");
    assert.deepEqual([third.publications, third.since], [[], second.since]);
  });

  test("long polling answers at once when something is published", async () => {
    const group = group_of("hist");
    const { epoch, offset } = await publish(group, 0);
    const waiting = poll(`group=${group}&since=${epoch}:${offset}`);
    let got;
    waiting.then((answer) => { got = answer; });
    for (let i = 1; !got; i += 1) await publish(group, i);
    assert.equal(got.publications[0].data, 1);
    assert.equal(got.recovered, true);
  });

  test("long polling tells what cannot be recovered, and who may not", async () => {
    const group = group_of("small");
    const { epoch } = await publish(group, 0);
    for (let i = 1; i < 10; i += 1) await publish(group, i);
    const lost = await poll(`group=${group}&since=${epoch}:1`);
    assert.deepEqual([lost.status, lost.recovered, lost.lost], [200, false, [group]]);
    assert.equal((await poll(`group=${group_of("private")}`)).status, 403);
    assert.equal((await poll(`group=${group_of("nowhere")}`)).status, 404);
    assert.equal((await poll("")).status, 400);
    assert.equal((await poll(`group=${group}&since=x`)).status, 400);
  });

  // -- the addresses

  test("emulation: 404 for an unknown node, 400 for a bad body, 413 for a large one, 204 for OPTIONS", async () => {
    const { url } = await server();
    const post = async (body) => (await fetch(`${url}/emulation`, { method: "POST", body })).status;
    assert.equal(await post(JSON.stringify({ session: "s", node: "n", data: "{}" })), 404);
    for (const body of ["", "{", "[]", "{}", JSON.stringify({ session: 1, node: "n", data: "" })]) assert.equal(await post(body), 400, body);
    assert.equal(await post(JSON.stringify({ session: "s", node: "n", data: "x".repeat(70_000) })), 413);
    const preflight = await fetch(`${url}/emulation`, { method: "OPTIONS", headers: { "Origin": "https://example.com", "Access-Control-Request-Method": "POST",
                                                                                       "Access-Control-Request-Headers": "content-type" } });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get("access-control-allow-headers"), /content-type/i);
  });

  test("streams are not to be cached nor gathered by what lies between", async () => {
    const connect = JSON.stringify({ id: 1, connect: {} });
    for (const open of [() => Stream.open("/connection/http_stream", { body: connect }),
                        () => Stream.open(`/connection/sse?cf_connect=${encodeURIComponent(connect)}`)]) {
      const stream = await open();
      assert.match(stream.response.headers.get("cache-control"), /no-cache/);
      assert.equal(stream.response.headers.get("x-accel-buffering"), "no");
      const { connect: told } = await stream.hear();
      assert.ok(told.session && told.node, "session and node");
      stream.close();
    }
  });

  test("an SSE stream without its connect command is 400, a plain GET of the WebSocket's address no stream", async () => {
    const { url } = await server();
    assert.equal((await fetch(`${url}/connection/sse`)).status, 400);
    assert.equal((await fetch(`${url}/connection/websocket`)).status, 426);
    assert.equal((await fetch(`${url}/connection/nowhere`)).status, 404);
  });

  test("an emulated session takes commands by POST, and a disconnect is a push at its end", async () => {
    const { url } = await server();
    const user = `user-${group_of("x")}`;
    const token = host.token({ sub: user });
    const stream = await Stream.open("/connection/http_stream", { body: JSON.stringify({ id: 1, connect: { token } }) });
    const { connect } = await stream.hear();
    const group = group_of("plain");
    const sent = await fetch(`${url}/emulation`, { method: "POST", body: JSON.stringify({
      session: connect.session, node: connect.node,
      data: `${JSON.stringify({ id: 2, subscribe: { channel: group } })}\n${JSON.stringify({ id: 3, publish: { channel: group, data: 1 } })}` }) });
    assert.equal(sent.status, 204);
    const heard = [await stream.hear(), await stream.hear(), await stream.hear()];
    assert.deepEqual(heard.map((each) => each.id ?? "push").sort(), [2, 3, "push"]);
    await api("disconnect", { user });
    assert.equal((await stream.hear()).push.disconnect.code, 3503);
    assert.equal(await stream.text(), undefined);
  });

  test("the API: 401 without a key, 400 for what is not JSON, 404 for what it does not know", async () => {
    const { id } = await server();
    assert.equal((await host.api(id, "info", {}, "")).error.code, 401);
    assert.equal((await host.api(id, "info", {}, "wrong")).error.code, 401);
    assert.equal((await host.api(id, "publish", "{")).error.code, 400);
    assert.equal((await host.api(id, "dance", {})).error.code, 404);
    assert.equal((await host.api(id, "publish", { channel: group_of("nowhere"), data: 1 })).error.code, 102);
    assert.equal((await host.api(id, "publish", { data: 1 })).error.code, 107);
  });
});

function strip_time(push) {
  const pub = push.pub ?? push.push?.pub;
  if (pub) delete pub.time;
  return push;
}
