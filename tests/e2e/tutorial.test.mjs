// The page of docs/tutorial.md with the plugin that it builds (checks.page_tutorial made both), in a browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { launch } from "./support/browser.mjs";
import { Server } from "./support/server.mjs";

const folder = process.env.MADANG_TUTORIAL;
let browser, server;

before(async () => {
  browser = await launch();
  server = await Server.start({ options: ["--plugin", join(folder, "build/salon.so"), "--site", join(folder, "site")] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open() {
  const page = await browser.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(server.url);
  await page.waitForFunction(() => socket.readyState === WebSocket.OPEN);
  return page;
}
const line = (page, text) => page.locator("#log li", { hasText: text }).first().waitFor();

test("what is said in one window is seen in the other, counted by a worker, and still there for who comes later", async () => {
  const [ann, bob] = [await open(), await open()];
  await ann.locator("#text").fill("The kettle is on");
  await ann.locator("#text").press("Enter");
  await Promise.all([ann, bob].map((page) => line(page, "The kettle is on")));
  await bob.locator("#count").click();
  await Promise.all([ann, bob].map((page) => line(page, "4 words")));
  const late = await open();
  await line(late, "4 words");
  assert.deepEqual(await late.locator("#log li").evaluateAll((all) => all.map((each) => each.textContent)),
                   ["The kettle is on", "4 words"]);
});
