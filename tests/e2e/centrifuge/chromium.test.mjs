// The same cases in Chromium, with the package's own browser build. The page is of another origin than the servers; one
// test has it served by Madang itself.
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../support/browser.mjs";
import { Server } from "../support/server.mjs";
import { all } from "./cases/all.mjs";
import { Host } from "./host.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const library = join(here, "../node_modules/centrifuge/dist/centrifuge.js");
const transports = ["websocket", "http_stream", "sse"];
const lanes = 4; // pages per transport; each has its own pool of connections, of which Chromium allows six to a server
let browser, host, site;

async function serve_pages() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://x").pathname);
    const file = path === "/centrifuge.js" ? library : join(here, path);
    const type = path.endsWith(".html") ? "text/html" : "text/javascript";
    await readFile(file).then((text) => response.setHeader("Content-Type", type).end(text), () => response.writeHead(404).end());
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((done) => {
    server.closeAllConnections?.();
    server.close(done);
  }) };
}

before(async () => {
  [site, host, browser] = await Promise.all([serve_pages(), Host.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await Promise.all([host?.stop(), site?.stop()]);
});

async function open_page(url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
  await page.exposeFunction("ask_host", async (what, ...of) => (await host.run(what, ...of)) ?? null);
  await page.goto(url);
  return { page, complaints };
}

for (const transport of transports) {
  describe(`chromium, ${transport}`, { concurrency: lanes }, () => {
    const free = [];
    const waiting = [];
    const take = async () => free.pop() ?? new Promise((done) => waiting.push(done));
    const give_back = (lane) => (waiting.length ? waiting.shift()(lane) : free.push(lane));
    before(async () => {
      free.push(...await Promise.all(Array.from({ length: lanes }, async (_, i) => ({ name: `${transport}${i}`, ...await open_page(`${site.url}/page.html`) }))));
      for (const { page } of free) await page.waitForFunction("window.ready");
    });
    after(() => Promise.all(free.map(({ page }) => page.context().close())));
    for (const { claim } of all) {
      test(claim, async () => {
        const lane = await take();
        try {
          const failure = await lane.page.evaluate((of) => window.run_one(...of), [claim, transport, lane.name]);
          assert.equal(failure, null, failure);
          assert.deepEqual(lane.complaints.splice(0), [], "exceptions in the page");
        } finally {
          give_back(lane);
        }
      });
    }
  });
}

test("a page that Madang serves connects by each transport, one of another site by none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "madang-centrifuge-"));
  let server;
  try {
    await cp(library, join(folder, "centrifuge.js"));
    await cp(join(here, "same_origin.html"), join(folder, "index.html"));
    await cp(join(here, "attempt.js"), join(folder, "attempt.js"));
    server = await Server.start({ options: ["--site", folder, "--log-level", "off"] });
    const own = await open_page(`${server.url}/`);
    const foreign = await open_page(`${site.url}/same_origin.html`);
    for (const transport of transports) {
      const attempt = ([to, by]) => window.attempt(to, by);
      assert.equal(await own.page.evaluate(attempt, [server.url, transport]), "connected", transport);
      assert.equal(await foreign.page.evaluate(attempt, [server.url, transport]), "transport closed", transport);
    }
    for (const { page } of [own, foreign]) await page.context().close();
  } finally {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
