// Behind a real nginx, with the configuration that the documentation recommends: all transports work, nothing that is sent waits
// in nginx, and the server knows who the client is.
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { Ear, eventually, within } from "./centrifuge/kit.mjs";
import { Nginx } from "./support/nginx.mjs";
import { Server } from "./support/server.mjs";

const api_key = "a-key-of-these-tests-that-is-long-enough";
let server, nginx;
before(async () => {
  server = await Server.start({
    config: `api_keys = ["suite:all:${api_key}"]\ntrusted_proxies = ["127.0.0.1"]\n` +
      `[namespace.news]\nallow_subscribe = "everyone"\nallow_publish = "everyone"\nhistory_size = 10\nhistory_ttl = "1m"\nrecovery = true\n`,
    options: ["--no-bundled", "--log-level", "info"] });
  nginx = await Nginx.start(server.url, { tls: true });
});
after(async () => {
  nginx?.end();
  await server?.stop();
});

async function publish(group, data) {
  const answer = await fetch(`${server.internal}/api/publish`, {
    method: "POST", headers: { "X-API-Key": api_key }, body: JSON.stringify({ channel: group, data }) });
  const { result } = await answer.json();
  assert.ok(result);
  return result;
}

describe("through nginx", () => {
  for (const transport of ["websocket", "http_stream", "sse"]) {
    test(`the centrifuge package on ${transport}: each publication comes before the next is made`, async () => {
      const at = transport === "websocket" ? nginx.url.replace(/^http/, "ws") : nginx.url;
      const client = new Centrifuge([{ transport, endpoint: `${at}/connection/${transport}` }],
                                    { websocket: WebSocket, eventsource: EventSource, emulationEndpoint: `${nginx.url}/emulation` });
      const sub = client.newSubscription(`news:${transport}`);
      const ear = new Ear(sub, transport);
      sub.subscribe();
      client.connect();
      try {
        await ear.next("subscribed");
        for (let n = 0; n < 5; n += 1) {
          await publish(`news:${transport}`, n);
          assert.equal((await ear.next("publication")).data, n);
        }
        await sub.publish("up");
        assert.equal((await ear.next("publication")).data, "up");
      } finally {
        client.disconnect();
      }
    });
  }

  for (const [path, accepts] of [["uni_sse", "text/event-stream"], ["uni_http_stream", "application/json"]]) {
    test(`${path} is passed on as it comes, with nginx buffering by default`, async () => {
      const group = `news:${path}`;
      const asked = encodeURIComponent(JSON.stringify({ subs: {} }));
      const response = await fetch(`${nginx.url}/connection/${path}?cf_connect=${asked}`);
      assert.equal(response.status, 200);
      assert.ok(response.headers.get("content-type").startsWith(accepts));
      assert.equal(response.headers.get("x-accel-buffering"), null, "it is nginx's, and nginx took it");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      const hears = async (what) => {
        while (!text.includes(what)) text += (await within(reader.read(), `${what} did not come: ${text}`)).value;
      };
      await hears("connect");
      const { client } = JSON.parse(/\{.*\}/.exec(text)[0]).connect;
      const answer = await fetch(`${server.internal}/api/subscribe`, {
        method: "POST", headers: { "X-API-Key": api_key }, body: JSON.stringify({ channel: group, client }) });
      assert.equal((await answer.json()).result.num_clients, 1);
      await hears("subscribe");
      for (let n = 0; n < 5; n += 1) {
        await publish(group, { n });
        await hears(`{"n":${n}}`);
      }
      await reader.cancel();
    });
  }

  test("a long poll is answered when something is published", async () => {
    const { epoch, offset } = await publish("news:poll", "before");
    const waiting = fetch(`${nginx.url}/connection/poll?group=news:poll&since=${encodeURIComponent(`${epoch}:${offset}`)}`);
    await publish("news:poll", "x");
    const { publications } = await (await waiting).json();
    assert.deepEqual(publications.map(({ data }) => data), ["x"]);
  });

  // A page may connect to its own server only: that it came by https is what nginx says in X-Forwarded-Proto.
  test("a page's own origin is the one that nginx serves, https where nginx speaks TLS", async () => {
    const answer = (url, origin) => new Promise((done, failed) => {
      const socket = new WebSocket(`${url.replace(/^http/, "ws")}/connection/websocket`, { origin, rejectUnauthorized: false });
      socket.on("open", () => { socket.terminate(); done(101); });
      socket.on("unexpected-response", (request, { statusCode }) => { request.destroy(); done(statusCode); });
      socket.on("error", failed);
    });
    const other = (url) => (url.startsWith("https") ? url.replace("https", "http") : url.replace("http", "https"));
    for (const url of [nginx.url, nginx.secure_url]) {
      assert.equal(await within(answer(url, url), `${url} did not answer`), 101, url);
      assert.equal(await within(answer(url, other(url)), `${url} did not answer`), 403, `${url}, from ${other(url)}`);
    }
  });

  test("the client's address is the one that nginx saw, whatever the client says", async () => {
    const ask = (path, headers) => new Promise((done, failed) => {
      request(`${nginx.url}${path}`, { localAddress: "127.0.0.5", headers }, (answer) => { answer.resume().on("end", done); }).on("error", failed).end();
    });
    await ask("/seen-plain", {});
    await ask("/seen-forged", { "X-Forwarded-For": "203.0.113.9" });
    for (const path of ["/seen-plain", "/seen-forged"]) {
      const line = await eventually(async () => server.output.split("\n").find((each) => each.includes(path)) ?? "", Boolean, "the log's line");
      assert.match(line, /client=127\.0\.0\.5\b/, line);
    }
  });
});
