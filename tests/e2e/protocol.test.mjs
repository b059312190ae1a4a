// The bundled consumers as a client without a browser meets them.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { Client, refusal_of } from "./support/client.mjs";
import { sign, token_of } from "./support/jwt.mjs";
import { Server, secret } from "./support/server.mjs";

let server;
before(async () => { server = await Server.start({ config: '[plugin.chat]\nbanned_words = ["durian"]\nforbidden_rooms = ["cellar"]\n' }); });
after(() => server?.stop());

test("ping greets, and answers each ping with its value", async () => {
  const client = await Client.connect(server, "/ws/ping/");
  assert.deepEqual(await client.receive_json(), { hello: "world" });
  for (const value of [1, "둘", { three: [3] }, null]) {
    client.send({ ping: value });
    assert.deepEqual(await client.receive_json(), { pong: value });
  }
  assert.equal((await client.close()).code, 1000);
});

test("echo answers text with the same text and binary with the same bytes", async () => {
  const client = await Client.connect(server, "/ws/echo/");
  for (const message of ["", "마당 🍂", Buffer.alloc(0), randomBytes(125), randomBytes(126), randomBytes(65536)]) {
    client.send(message);
    assert.deepEqual(await client.receive(), message);
  }
  await client.close();
});

test("echo carries one mebibyte of text and of binary", async () => {
  const client = await Client.connect(server, "/ws/echo/");
  const text = "가".repeat(Math.floor(2 ** 20 / 3));
  client.send(text);
  assert.ok(await client.receive() === text, "the text came back changed");
  const bytes = randomBytes(2 ** 20);
  client.send(bytes);
  assert.ok(bytes.equals(await client.receive()), "the bytes came back changed");
  await client.close();
});

test("echo keeps the order of a thousand messages sent at once", async () => {
  const client = await Client.connect(server, "/ws/echo/");
  for (let i = 0; i < 1000; i += 1) client.send(`${i}`);
  for (let i = 0; i < 1000; i += 1) assert.equal(await client.receive(), `${i}`);
  await client.close();
});

test("chat tells who joins and leaves, and hands a message to everyone in the room and to nobody else", async () => {
  const room = "/ws/chat/protocol/";
  const one = await Client.connect(server, room);
  const { system: own } = await one.receive_json();
  assert.match(own, / joined$/);
  const elsewhere = await Client.connect(server, "/ws/chat/elsewhere/");
  await elsewhere.receive_json();
  const two = await Client.connect(server, room);
  const { system: arrival } = await one.receive_json();
  assert.match(arrival, / joined$/);
  assert.notEqual(arrival, own);
  assert.deepEqual(await two.receive_json(), { system: arrival });
  one.send({ message: "안녕하세요 <b>&" });
  for (const client of [one, two]) assert.deepEqual(await client.receive_json(), { message: "안녕하세요 <b>&" });
  elsewhere.send({ message: "here" });
  assert.deepEqual(await elsewhere.receive_json(), { message: "here" }, "a message of another room arrived first");
  await two.close();
  assert.deepEqual(await one.receive_json(), { system: arrival.replace(/joined$/, "left") });
  await Promise.all([one.close(), elsewhere.close()]);
});

test("a room's name may be Korean, and is the same room however its address is escaped", async () => {
  const one = await Client.connect(server, "/ws/chat/%EC%82%AC%EB%9E%91%EB%B0%A9/");
  await one.receive_json();
  const two = await Client.connect(server, "/ws/chat/%ec%82%ac%eb%9e%91%eb%b0%a9/");
  await two.receive_json();
  await one.receive_json();
  two.send({ message: "같은 방" });
  assert.deepEqual(await one.receive_json(), { message: "같은 방" });
  await Promise.all([one.close(), two.close()]);
});

test("chat's refusals reach their sender only, and the connection stays", async () => {
  const one = await Client.connect(server, "/ws/chat/refusals/");
  await one.receive_json();
  const two = await Client.connect(server, "/ws/chat/refusals/");
  await two.receive_json();
  await one.receive_json();
  for (const wrong of [{ message: "" }, { message: 5 }, { text: "?" }, { message: "x".repeat(4097) }, { message: "A Durian!" }]) {
    one.send(wrong);
    assert.equal(typeof (await one.receive_json()).error, "string");
  }
  one.send({ message: "a pear" });
  assert.deepEqual(await one.receive_json(), { message: "a pear" });
  assert.deepEqual(await two.receive_json(), { message: "a pear" }, "a refusal reached somebody else");
  await Promise.all([one.close(), two.close()]);
});

test("a forbidden room says so and closes with 1008", async () => {
  const client = await Client.connect(server, "/ws/chat/cellar/");
  assert.match((await client.receive_json()).error, /may not enter/);
  assert.equal((await client.end()).code, 1008);
});

test("notify refuses the anonymous before it accepts", async () => {
  assert.equal(await refusal_of(server, "/ws/notify/"), 403);
});

test("notify refuses tokens that are forged, expired or unsigned", async () => {
  const unsigned = sign({ sub: "42" }, secret).replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString("base64url")).replace(/[^.]+$/, "");
  for (const token of [token_of("42", "another-secret-that-is-also-long-enough"), token_of("42", secret, -3600), unsigned, "nonsense"]) {
    const status = await refusal_of(server, `/ws/notify/?token=${token}`);
    assert.ok([401, 403].includes(status), `refused with ${status}`);
  }
});

test("notify takes a token from the query, the Authorization header and a subprotocol", async () => {
  const token = token_of("42", secret);
  for (const [path, options] of [[`/ws/notify/?token=${token}`, {}], ["/ws/notify/", { headers: { Authorization: `Bearer ${token}` } }]]) {
    await (await Client.connect(server, path, options)).close();
  }
  const client = await Client.connect(server, "/ws/notify/", { protocols: ["bearer", token] });
  assert.equal(client.socket.protocol, "bearer", "the token itself must not go back");
  await client.close();
});

test("a page of another origin is refused", async () => {
  assert.equal(await refusal_of(server, "/ws/chat/origin/", { origin: "https://evil.example" }), 403);
});

test("an unknown route is 404", async () => {
  assert.equal(await refusal_of(server, "/ws/nowhere/"), 404);
});

test("SIGTERM tells every client 1001 and ends with exit code 0", async () => {
  const brief = await Server.start();
  try {
    const clients = await Promise.all(Array.from({ length: 20 }, () => Client.connect(brief, "/ws/echo/")));
    const exit = brief.kill("SIGTERM");
    for (const client of clients) assert.equal((await client.end()).code, 1001);
    assert.equal(await exit, 0);
  } finally {
    await brief.stop();
  }
});
