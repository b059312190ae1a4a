// A room as the real server keeps it: over every transport, in both pages, and through a crash.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open_window } from "./support/browser.mjs";
import { Client } from "./support/client.mjs";
import { token_of } from "./support/jwt.mjs";
import { Server, secret } from "./support/server.mjs";

const expected_of_lost_connections = /WebSocket connection to .* failed|ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE/;
let browser, server, windows;

async function open(name, options) {
  const window = await open_window(browser, server.url, { name, ...options });
  windows.push(window);
  await window.is("open");
  return window;
}

before(async () => { [browser, server] = [await launch(), await Server.start()]; });
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(() => { windows = []; });
afterEach(() => Promise.all(windows.map((window) => window.close())));

test("a joiner gets the last fifty messages first, also after kill -9", async () => {
  const one = await Client.connect(server, "/ws/chat/kept/");
  assert.match((await one.receive_json()).system, / joined$/, "an empty room shows nothing else");
  for (let i = 0; i < 60; i += 1) {
    one.send({ message: `말 ${i}` });
    assert.deepEqual(await one.receive_json(), { message: `말 ${i}` });
  }
  for (const crash of [false, true]) {
    if (crash) {
      await server.kill("SIGKILL");
      await server.start_again();
    }
    const late = await Client.connect(server, "/ws/chat/kept/");
    for (let i = 10; i < 60; i += 1) assert.deepEqual(await late.receive_json(), { message: `말 ${i}` });
    assert.match((await late.receive_json()).system, / joined$/);
    await late.close();
  }
});

test("nothing is missed and nothing comes twice while a room is busy", async () => {
  const speaker = await Client.connect(server, "/ws/chat/busy/");
  await speaker.receive_json();
  const joiners = [];
  for (let i = 0; i < 400; i += 1) {
    speaker.send({ message: `${i}` });
    if (i % 40 === 20) joiners.push(await Client.connect(server, "/ws/chat/busy/"));
  }
  for (const joiner of joiners) {
    const heard = [];
    while (heard.at(-1) !== 399) {
      const { message } = await joiner.receive_json();
      if (message !== undefined) heard.push(Number(message));
    }
    assert.deepEqual(heard, Array.from(heard, (_, i) => heard[0] + i), "one after the other");
    await joiner.close();
  }
  await speaker.close();
});

test("who is there, and who was", async () => {
  const ann = await Client.connect(server, `/ws/chat/people/?token=${token_of("ann", secret)}`);
  const { system } = await ann.receive_json();
  const bob = await Client.connect(server, `/ws/chat/people/?token=${token_of("bob", secret)}`);
  await ann.receive_json();
  await bob.close();
  await ann.receive_json();
  ann.send({ who: true });
  const { here, seen, you } = await ann.receive_json();
  assert.equal(`${you} joined`, system);
  assert.deepEqual(here.map(({ user, client }) => [user, client]), [["ann", you]]);
  assert.deepEqual(seen.map(({ user }) => user), ["bob"]);
  await ann.close();
});

const no_sockets = () => {
  globalThis.WebSocket = class {
    constructor() { setTimeout(() => this.onclose({ code: 1006, reason: "" })); }
    close() {}
  };
};
const no_streams = `(${no_sockets})(); globalThis.TextDecoderStream = class { constructor() { throw new Error("blocked"); } };`;

for (const [name, init] of [["HTTP stream", no_sockets], ["SSE", no_streams]]) {
  test(`where WebSockets are blocked the room comes over ${name}`, async () => {
    const hash = `blocked ${name}`;
    const one = await open("까치", { hash });
    await one.say("before");
    await one.sees("before");
    const two = await open("Persimmon", { hash, init });
    assert.equal(await two.page.locator("#transport").innerText(), name);
    await two.sees("before", { author: "까치" });
    await two.say("안녕");
    await one.sees("안녕", { author: "Persimmon" });
    await two.sees("안녕", { author: "You" });
    await one.page.locator("#say").fill("typing");
    await two.page.locator('#typing[data-shown="true"]').waitFor();
    await one.say("after");
    await two.sees("after", { author: "까치" });
    assert.equal(await two.line("안녕").count(), 1);
    await two.page.locator("#people_count", { hasText: "2" }).waitFor();
    await one.page.locator("#people_count", { hasText: "2" }).waitFor(); // it asks again after a while
  });
}

// The npm package asks for its streams with fetch.
const no_fetched_streams = `(${no_sockets})(); (${() => {
  const real = globalThis.fetch;
  globalThis.fetch = (what, ...rest) =>
    String(what).includes("/http_stream") ? Promise.reject(new TypeError("blocked")) : real(what, ...rest);
}})();`;

for (const [name, init] of [["HTTP stream", no_sockets], ["SSE", no_fetched_streams]]) {
  test(`where WebSockets are blocked the page of the npm package comes over ${name} by itself`, async () => {
    const hash = `blocked npm ${name}`;
    const one = await open("까치", { hash });
    await one.say("before");
    await one.sees("before");
    const two = await open("Persimmon", { path: "/centrifuge.html", hash, init });
    await two.is("open");
    assert.equal(await two.page.locator("#transport").innerText(), name);
    await two.sees("before", { author: "까치" });
    await two.say("안녕");
    await one.sees("안녕", { author: "Persimmon" });
    await two.sees("안녕", { author: "You" });
  });
}

for (const [name, transport] of [["WebSocket", ""], ["HTTP stream", "http_stream"], ["SSE", "sse"]]) {
  test(`the page of the npm package shows the same room over ${name}, and comes back after kill -9`, async () => {
    const hash = `package-${name.replace(" ", "-")}`;
    const one = await open("까치", { hash });
    await one.say("before");
    await one.sees("before");
    const two = await open("Persimmon", { path: `/centrifuge.html${transport && `?transport=${transport}`}`, hash });
    assert.equal(await two.page.locator("#transport").innerText(), name);
    await two.sees("before", { author: "까치" });
    await two.say("두 번째에서");
    await one.sees("두 번째에서", { author: "Persimmon" });
    await two.page.locator("#people_count", { hasText: "2" }).waitFor();
    await server.kill("SIGKILL");
    await server.start_again();
    await Promise.all([one.is("open", 45_000), two.is("open", 45_000)]);
    await one.say("after");
    await two.sees("after", { author: "까치" });
    assert.equal(await two.line("before").count(), 1);
    await one.is_content(expected_of_lost_connections);
  });
}
