// The page's connection and protocol modules, without a page: the socket, the clock and chance are given.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { site_dir } from "./support/paths.mjs";

// The site is no npm package, so that Node would not take its files for modules.
async function module_of(name) {
  const text = await readFile(join(site_dir, name), "utf8");
  return import(`data:text/javascript;base64,${Buffer.from(text).toString("base64")}`);
}
const { Connection, back_off, may_return } = await module_of("connection.js");
const { clean_name, clean_title, compose, group_of, parse_frame, room_path, split_author } = await module_of("protocol.js");

// A world in which nothing happens by itself.
class World {
  constructor({ up = false, transports } = {}) {
    this.time = 0;
    this.timers = new Map();
    this.sockets = [];
    this.states = [];
    this.frames = [];
    this.up = up;
    const make_socket = () => {
      const socket = { sent: [], send: (text) => socket.sent.push(text), close: () => { socket.told_to_close = true; } };
      this.sockets.push(socket);
      return socket;
    };
    this.connection = new Connection({
      transports: transports?.map((name) => ({ name, make: make_socket })), make_socket, url: "ws://yard/", on_state: (state) => this.states.push(state), on_frame: (data) => this.frames.push(data),
      server_is_up: async () => this.up, random: () => 0.5, now: () => this.time,
      set_timer: (run, delay) => { const id = {}; this.timers.set(id, { run, at: this.time + delay }); return id; },
      clear_timer: (id) => this.timers.delete(id),
    });
  }
  get socket() { return this.sockets.at(-1); }
  get state() { return this.connection.state; }
  // Lets the only timer fire; returns how long that took.
  pass() {
    assert.equal(this.timers.size, 1);
    const [[id, { run, at }]] = this.timers;
    const waited = at - this.time;
    this.timers.delete(id);
    this.time = at;
    run();
    return waited;
  }
  opened() {
    this.connection.start();
    this.socket.onopen();
    return this;
  }
  lose(code = 1006) { this.socket.onclose({ code, reason: "" }); }
}
const turn = () => new Promise((done) => setImmediate(done));

test("the back-off doubles up to 20 s and keeps its jitter", () => {
  const ceilings = [0, 1, 2, 3, 4, 5, 6, 7, 100].map((attempt) => back_off(attempt, () => 1));
  assert.deepEqual(ceilings, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000]);
  for (const attempt of [0, 5, 100]) assert.equal(back_off(attempt, () => 0), 150);
});

test("codes by which the server asks to stay away are told from the others", () => {
  for (const code of [1001, 1005, 1006, 1009, 1011, 1012, 1013, 3008, 3012, 3013, 4000]) assert.ok(may_return(code), `${code}`);
  for (const code of [1002, 1003, 1007, 1008, 3500, 3999, 4500, 4999]) assert.ok(!may_return(code), `${code}`);
});

for (const code of [1001, 1006]) {
  test(`after ${code} it waits longer and longer, then comes back`, () => {
    const world = new World().opened();
    const waits = [];
    world.lose(code);
    for (let i = 0; i < 4; i += 1) {
      assert.equal(world.state, "waiting");
      waits.push(world.pass());
      assert.equal(world.state, "connecting");
      if (i < 3) world.lose();
    }
    assert.deepEqual(waits, [...waits].sort((a, b) => a - b));
    assert.ok(waits[3] > 4 * waits[0], `${waits}`);
    world.socket.onopen();
    assert.equal(world.state, "open");
  });
}

test("a connection that does not last does not reset the back-off, one that lasts does", () => {
  const world = new World().opened();
  world.lose();
  const first = world.pass();
  world.socket.onopen();
  world.lose();
  assert.ok(world.pass() > first);
  world.socket.onopen();
  world.time += 60_000;
  world.lose();
  assert.equal(world.pass(), first);
});

test("a handshake that hangs is given up", () => {
  const world = new World();
  world.connection.start();
  assert.equal(world.pass(), 5_000);
  assert.ok(world.socket.told_to_close);
});

test("a refused handshake is told from an absent server", async () => {
  const refused = new World({ up: true });
  refused.connection.start();
  refused.lose();
  await turn();
  assert.equal(refused.state, "refused");
  assert.equal(refused.timers.size, 0);
  const absent = new World({ up: false });
  absent.connection.start();
  absent.lose();
  await turn();
  assert.equal(absent.state, "waiting");
});

test("once stopped it stays stopped, and late events of its socket change nothing", () => {
  const world = new World().opened();
  const { socket } = world;
  world.connection.stop();
  socket.onmessage({ data: "late" });
  socket.onclose({ code: 1006, reason: "" });
  assert.equal(world.state, "idle");
  assert.deepEqual(world.frames, []);
  assert.equal(world.timers.size, 0);
  assert.equal(world.connection.send("x"), false);
});

test("who speaks stands before the first colon, and only there", () => {
  assert.deepEqual(split_author("까치: 안녕: 하세요\n둘"), { author: "까치", text: "안녕: 하세요\n둘" });
  for (const text of ["no author", "https://example.com", ": x", "a line\nname: x", `${"x".repeat(25)}: y`]) {
    assert.deepEqual(split_author(text), { author: "", text });
  }
  const name = clean_name("  A:\u0000 B\n🍂 ");
  assert.equal(name, "A B 🍂");
  assert.deepEqual(split_author(compose(name, "x: y")), { author: name, text: "x: y" });
});

test("frames are understood or dropped, never thrown at", () => {
  for (const data of ["", "{", "null", "3", "[]", '"x"', "{}", '{"message":1}', '{"system":{}}']) assert.equal(parse_frame(data), null, data);
  assert.equal(parse_frame('{"error":[{"field":"/message","message":"too long"},"and odd"]}').text, "/message: too long; and odd");
  assert.equal(parse_frame('{"error":null}').text, "null");
  assert.deepEqual(parse_frame('{"system":"c!1 joined"}'), { kind: "system", channel: "c!1", what: "joined", text: "c!1 joined" });
});

test("any title gives one segment of a path, or none", () => {
  for (const title of ["madang", "사랑방", "a/b\\c", "  two  words ", "100%", "?#&+;", "...", "🍂".repeat(40), "\ud800x"]) {
    const path = new URL(room_path(clean_title(title)), "http://x").pathname;
    assert.match(path, /^\/ws\/chat\/[\x21-\x2e\x30-\x7e]{1,200}\/$/, title);
  }
  for (const title of ["", "  ", ".", "..", "\ud800"]) assert.equal(clean_title(title), "");
});

test("a transport that does not open although the server is there gives way to the next", async () => {
  const world = new World({ up: true, transports: ["websocket", "http_stream", "sse"] });
  world.connection.start();
  assert.equal(world.connection.transport, "websocket");
  for (const next of ["http_stream", "sse"]) {
    world.lose();
    await turn();
    assert.equal(world.connection.transport, next);
    assert.equal(world.state, "connecting");
  }
  world.lose();
  await turn();
  assert.equal(world.state, "refused");
  world.connection.start();
  assert.equal(world.connection.transport, "websocket");
});

test("an absent server says nothing against a transport", async () => {
  const world = new World({ transports: ["websocket", "sse"] });
  world.connection.start();
  world.lose();
  await turn();
  assert.equal(world.state, "waiting");
  assert.equal(world.connection.transport, "websocket");
});

test("a transport that has been open is given up only when it fails twice", async () => {
  const world = new World({ up: true, transports: ["websocket", "sse"] });
  world.opened();
  world.lose();
  assert.equal(world.state, "waiting");
  world.pass();
  world.lose();
  await turn();
  assert.equal(world.connection.transport, "websocket");
  world.pass();
  world.lose();
  await turn();
  assert.equal(world.connection.transport, "sse");
  world.socket.onopen();
  assert.equal(world.state, "open");
});

test("a room that refuses before it opens is refused, not tried by other ways", () => {
  const world = new World({ up: true, transports: ["http_stream", "sse"] });
  world.connection.start();
  world.lose(3507);
  assert.equal(world.state, "refused");
});

test("a room's group is named as the chat plugin names it", () => {
  assert.equal(group_of("a b%~"), "room:a%20b%25~");
  assert.equal(group_of("마당"), "room:%EB%A7%88%EB%8B%B9");
});

test("who is there and who types are frames of their own", () => {
  assert.deepEqual(parse_frame('{"typing":"x!1"}'), { kind: "typing", channel: "x!1" });
  assert.deepEqual(parse_frame('{"here":[],"seen":[],"you":"x"}'), { kind: "who", here: [], seen: [], you: "x" });
  assert.equal(parse_frame('{"typing":true}'), null);
});
