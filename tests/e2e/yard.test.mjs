// Two windows and the real server: they chat, lose it and come back.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open_window, phone } from "./support/browser.mjs";
import { Client } from "./support/client.mjs";
import { token_of } from "./support/jwt.mjs";
import { Server, secret } from "./support/server.mjs";

// What Chromium itself says of a connection attempt while there is no server.
const expected_of_lost_connections = /WebSocket connection to .* failed|ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE/;
let browser, server, windows;

async function open(name, options) {
  const window = await open_window(browser, server.url, { name, ...options });
  windows.push(window);
  await window.is("open");
  return window;
}

before(async () => {
  browser = await launch();
  server = await Server.start({ config: '[plugin.chat]\nbanned_words = ["durian"]\nforbidden_rooms = ["cellar"]\n', options: ["--drain-timeout", "5s"] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(() => { windows = []; });
afterEach(() => Promise.all(windows.map((window) => window.close())));

async function talk(one, two, about) {
  await one.say(`Hello, ${about}!`);
  await two.sees(`Hello, ${about}!`, { author: "까치" });
  await two.say(`안녕하세요, ${about} 🍂`);
  await one.sees(`안녕하세요, ${about} 🍂`, { author: "Persimmon" });
  await one.sees(`Hello, ${about}!`, { author: "You" });
  assert.equal(await one.line(`Hello, ${about}!`).count(), 1, "one's own message must be shown once");
}

test("two windows chat in both directions, in Korean too", async () => {
  const one = await open("까치");
  const two = await open("Persimmon");
  await one.sees_notice("joined");
  await talk(one, two, "마당");
  await two.close();
  await one.sees_notice("left");
  await one.is_content();
});

test("a room with a Korean name is another room", async () => {
  const [one, two, elsewhere] = [await open("까치", { hash: "사랑방" }), await open("Persimmon", { hash: "사랑방" }), await open("Pine", { hash: "alone" })];
  await talk(one, two, "사랑방");
  await elsewhere.say("alone");
  await elsewhere.sees("alone");
  assert.equal(await elsewhere.log.locator("li.message").count(), 1);
  assert.equal(await one.line("alone").count(), 0);
  await one.is_content();
});

test("a refusal is shown to its sender only", async () => {
  const [one, two] = [await open("까치", { hash: "refusals" }), await open("Persimmon", { hash: "refusals" })];
  await one.say("a durian");
  const refused = await one.sees("a durian", { status: "refused" });
  assert.match(await refused.locator(".note").innerText(), /not allowed/);
  await one.say("a pear");
  await two.sees("a pear");
  assert.equal(await two.line("durian").count(), 0);
  assert.equal(await two.log.locator("li.refusal").count(), 0);
  await Promise.all([one.is_content(), two.is_content()]);
});

test("a room that may not be entered says why, and is not asked again and again", async () => {
  const window = await open_window(browser, server.url, { hash: "cellar" });
  windows.push(window);
  await window.is("ended");
  await window.sees_notice("may not enter");
  assert.equal(await window.log.locator("li").count(), 1);
});

for (const signal of ["SIGKILL", "SIGTERM"]) {
  test(`the server ends by ${signal} and comes back: both windows return by themselves and chat on`, async () => {
    const [one, two] = [await open("까치"), await open("Persimmon")];
    await talk(one, two, `before ${signal}`);
    const ended = await server.kill(signal);
    assert.equal(ended, signal === "SIGTERM" ? 0 : "SIGKILL", `the server said:\n${server.output}`);
    await Promise.all([one.is("waiting"), two.is("waiting")]);
    await one.say(`written before ${signal} was over`);
    await server.start_again();
    await Promise.all([one.is("open", 45_000), two.is("open", 45_000)]);
    await one.sees(`written before ${signal} was over`, { status: "sent" });
    await talk(one, two, `after ${signal}`);
    await Promise.all([one.is_content(expected_of_lost_connections), two.is_content(expected_of_lost_connections)]);
  });
}

async function give_token(window, token) {
  if (await window.page.locator("#notify").isHidden()) await window.page.locator("#notify_button").click();
  await window.page.locator("#token").fill(token);
  await window.page.locator("#token").press("Enter");
}

test("a signed token opens the notifications, which return with the server", async () => {
  const window = await open("까치");
  await give_token(window, token_of("42", secret));
  const state = (name) => window.page.locator(`#notify_state[data-state="${name}"]`).waitFor();
  await state("open");
  await window.is_content();
  await server.kill("SIGKILL");
  await state("waiting");
  await server.start_again();
  await state("open");
});

test("the page's recipe makes a token that the server accepts", async () => {
  const { execFileSync } = await import("node:child_process");
  const window = await open("까치");
  const recipe = await window.page.locator("#recipe").textContent();
  const token = execFileSync("sh", ["-c", recipe.replace(/^secret=.*$/m, `secret=${secret}`)], { encoding: "utf8" }).trim();
  const client = await Client.connect(server, `/ws/notify/?token=${token}`);
  await client.close();
});

test("a token that nobody signed is refused, and the page says so", async () => {
  const window = await open("까치");
  await give_token(window, token_of("42", "another-secret-that-is-also-long-enough"));
  await window.page.locator('#notify_state[data-state="refused"]').waitFor();
  await give_token(window, token_of("42", secret, -60));
  await window.page.locator("#notify_text", { hasText: "expired" }).waitFor();
  await give_token(window, token_of("42", secret));
  await window.page.locator('#notify_state[data-state="open"]').waitFor();
});

test("everything can be done with the keyboard alone", async () => {
  const one = await open("까치");
  const two = await open("Persimmon");
  const { keyboard } = one.page;
  const focused = () => one.page.evaluate(() => document.activeElement.id || document.activeElement.className);
  await keyboard.press("Escape");
  assert.equal(await focused(), "say");
  await keyboard.type("typed only");
  await keyboard.press("Enter");
  await two.sees("typed only", { author: "까치" });
  await one.page.evaluate(() => document.activeElement.blur());
  await one.page.locator(".skip").focus();
  const order = [];
  for (let i = 0; i < 30 && order.at(-1) !== "send"; i += 1) {
    await keyboard.press("Tab");
    order.push(await focused());
  }
  const wanted = ["language", "notify_button", "enter", "join_name", "name", "people_button", "share", "log", "say", "send"];
  assert.deepEqual(order.filter((id) => wanted.includes(id)), wanted, `the focus went ${order.join(", ")}`);
  await one.page.locator("#join_name").focus();
  await keyboard.type("keys");
  await keyboard.press("Enter");
  await one.page.locator("#room_title", { hasText: "keys" }).waitFor();
  assert.equal(await focused(), "say");
  await one.is("open");
  await one.page.locator("#notify_button").focus();
  await keyboard.press("Enter");
  assert.equal(await focused(), "token");
  const ring = await one.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(ring, "none", "the focus must be seen");
  await keyboard.press("Escape");
  assert.equal(await focused(), "notify_button");
  await one.is_content();
});

test("on a phone the whole page fits, and one chats from it", async () => {
  const [one, two] = [await open("까치", phone), await open("Persimmon")];
  await talk(one, two, "phone");
  const { width, height } = await one.page.evaluate(() => ({ width: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight }));
  assert.deepEqual({ width, height }, phone.viewport);
  const send = await one.page.locator("#send").boundingBox();
  assert.ok(send.x + send.width <= width && send.y + send.height <= height, "the send button lies on the screen");
  await one.page.locator("#say").fill("by finger");
  await one.page.locator("#send").tap();
  await two.sees("by finger");
  await one.page.locator("#rooms_button").tap();
  await one.page.locator("#join_name").fill("phone-room");
  await one.page.locator("#join button").tap();
  await one.is("open");
  assert.equal(await one.page.locator("#room_title").innerText(), "phone-room");
  await one.is_content();
});
