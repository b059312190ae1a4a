// The admin page as an operator meets it: a real server with a live member, a worker and a job that fails, in Chromium.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open_window, phone } from "./support/browser.mjs";
import { Client } from "./support/client.mjs";
import { project_dir } from "./support/paths.mjs";
import { Server } from "./support/server.mjs";

const binary = resolve(process.env.MADANG_BIN ?? join(project_dir, "build/release/madang"));
const torture = join(dirname(binary), "madang-torture-plugins/torture.so"); // fails as it is asked to
const [operator, watcher] = ["a-key-of-an-operator", "a-key-of-a-watcher"];
const expected = /status of 40[0134]|HTTP 40[0134]/; // the browser complains of each refusal
let browser, server, member, windows;

async function api(path, body, method = "POST") {
  const answer = await fetch(`${server.internal}/api/${path}`, { method, headers: { "X-API-Key": operator }, body: body && JSON.stringify(body) });
  return answer.json();
}

before(async () => {
  browser = await launch();
  server = await Server.start({
    config: `api_keys = ["ops:all:${operator}", "eyes:read:${watcher}"]\n` +
      `[namespace.news]\nallow_subscribe = "everyone"\nhistory_size = 100\nhistory_ttl = "10m"\npresence = true\n` +
      `[schedule.tidy]\ntask = "reports.tidy"\nevery = "1h"\n`,
    options: ["--workers", "1", "--plugin", torture] });
  member = await Client.connect(server, "/connection/websocket");
  member.socket.on("message", (text) => { if (text.toString() === "{}") member.send("{}"); }); // a ping
  member.send('{"id":1,"connect":{}}');
  member.send('{"id":2,"subscribe":{"channel":"news:kr"}}');
  while (!(await member.receive()).includes('"id":2'));
});
after(async () => {
  member?.socket.terminate();
  await browser?.close();
  await server?.stop();
});
beforeEach(() => { windows = []; });
afterEach(() => Promise.all(windows.map((window) => window.close())));

async function open(options) {
  const window = await open_window(browser, server.internal, { path: "/admin/", ...options });
  windows.push(window);
  return window.page;
}
async function sign_in(page, key) {
  await page.locator("#key").fill(key);
  await page.locator("#key").press("Enter");
  await page.locator("#me").waitFor();
}
async function go(page, name) {
  await page.locator("nav a", { hasText: name }).click();
  await page.locator("#title", { hasText: name }).waitFor();
}
const row_of = (page, job) => page.locator("tbody tr").filter({ has: page.locator(`a[href="#/jobs/${job}"]`) });
const row = (page, text) => page.locator("tbody tr", { hasText: text });
// `MADANG_SHOTS`: a folder for pictures of each view.
async function shot(page, name) {
  if (!process.env.MADANG_SHOTS) return;
  await mkdir(process.env.MADANG_SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.MADANG_SHOTS, `admin-${name}.png`) });
}
// A job of which nothing is left to try: it cannot write where it should until the folder is there.
async function dead_letter(folder) {
  const job = { task: "torture.step", kwargs: { ledger: join(server.folder, folder, "ledger") } };
  const { id } = await api("jobs", job);
  let over = {};
  while (!over.ready) over = await api(`jobs/${id}?wait=10s`, undefined, "GET");
  assert.equal(over.state, "FAILURE", JSON.stringify(over));
  return id;
}

for (const colorScheme of ["light", "dark"]) {
  test(`an operator looks around, mends and pauses (${colorScheme})`, async () => {
    const page = await open({ colorScheme });
    await page.locator("#key_form").waitFor();
    await shot(page, `${colorScheme}-sign-in`);
    await page.locator("#key").fill("a-key-of-nobody");
    await page.locator("#key").press("Enter");
    await page.locator("#key_error", { hasText: "the key is none of this server's" }).waitFor();
    await sign_in(page, operator);
    assert.match(await page.locator("#who").innerText(), /ops \(reads and changes\)/);
    await row(page, "0.1.0").waitFor();
    await shot(page, `${colorScheme}-nodes`);

    await go(page, "Groups");
    await row(page, "news:kr").locator("a").click();
    await page.locator("h2", { hasText: "Recent publications" }).waitFor();
    await page.locator("section", { hasText: "Present" }).locator("tbody tr").waitFor();
    await api("publish", { channel: "news:kr", data: { text: `<b>감</b> by ${colorScheme}` } });
    await page.locator("summary", { hasText: `<b>감</b> by ${colorScheme}` }).waitFor(); // by itself, and as text
    await page.locator("summary", { hasText: colorScheme }).click();
    await shot(page, `${colorScheme}-group`);

    const [mended, gone] = [await dead_letter(`mended-${colorScheme}`), await dead_letter(`gone-${colorScheme}`)];
    await go(page, "Dead letters");
    await row_of(page, mended).getByText("the ledger cannot be opened").waitFor();
    await shot(page, `${colorScheme}-dead`);
    await row_of(page, gone).getByRole("button", { name: "Discard" }).click();
    await page.locator("#sure button", { hasText: "No" }).click();
    await row_of(page, gone).getByRole("button", { name: "Discard" }).click();
    await shot(page, `${colorScheme}-sure`);
    await page.locator("#sure button", { hasText: "Yes" }).click();
    await row_of(page, gone).waitFor({ state: "detached" });
    await row_of(page, mended).locator("a").click();
    await page.locator(".timeline li", { hasText: /Failed on own after .* ledger cannot be opened/ }).first().waitFor();
    await page.locator("pre", { hasText: `mended-${colorScheme}` }).first().waitFor();
    await shot(page, `${colorScheme}-job`);
    await mkdir(join(server.folder, `mended-${colorScheme}`));
    await page.getByRole("button", { name: "Requeue" }).click();
    await page.locator("dd .state", { hasText: "SUCCESS" }).waitFor();
    await page.locator("h2", { hasText: "Result" }).waitFor();

    await go(page, "Jobs");
    await page.locator("#by_state").selectOption("success");
    await page.locator("#by_text").fill(mended);
    await row_of(page, mended).waitFor();
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1); // once the filter is answered
    await shot(page, `${colorScheme}-jobs`);

    await go(page, "Queues");
    const queue = row(page, "torture");
    await queue.getByRole("button", { name: "Pause" }).click();
    await queue.getByText("paused").waitFor();
    const { queues } = await api("queues", undefined, "GET");
    assert.equal(queues.find((each) => each.name === "torture").paused, true);
    const { id: waiting } = await api("jobs", { task: "torture.step", kwargs: { ledger: join(server.folder, "ledger") } });
    await shot(page, `${colorScheme}-queues`);
    await page.goto(`${server.internal}/admin/#/jobs/${waiting}`);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator("#sure button", { hasText: "Yes" }).click();
    await page.locator("dd .state", { hasText: "REVOKED" }).waitFor();
    await go(page, "Queues");
    await queue.getByRole("button", { name: "Resume" }).click();
    await queue.getByText("open").waitFor();

    await go(page, "Schedules");
    await row(page, "tidy").locator("time").nth(4).waitFor(); // five fires ahead
    await shot(page, `${colorScheme}-schedules`);
    await go(page, "Workers");
    await row(page, "of 1").waitFor();
    await page.reload(); // the session outlives it
    await row(page, "of 1").waitFor();
    await shot(page, `${colorScheme}-workers`);

    await go(page, "Plugins");
    const step = row(page, "torture.step");
    await step.locator("td.number", { hasText: /^[1-9]/ }).first().waitFor(); // its attempts
    assert.match(await step.locator("td.number").nth(1).innerText(), /[µm]?s$/);
    await shot(page, `${colorScheme}-plugins`);

    await page.goto(`${server.internal}/admin/#/jobs/${mended}`);
    await page.getByRole("link", { name: "by its id" }).click();
    await row(page, "admin.action").getByText("job_requeue").waitFor();
    assert.equal(await page.locator("#log_text").inputValue(), mended);
    await page.locator("#log_text").fill("");
    await row(page, "admin.signed_in").first().waitFor();
    await shot(page, `${colorScheme}-log`);

    await page.locator("#sign_out").click();
    await page.locator("#key_form").waitFor();
    assert.deepEqual(await page.context().cookies(), []);
    await windows[0].is_content(expected);
  });
}

test("a key that may only read changes nothing", async () => {
  const dead = await dead_letter("watched");
  const page = await open();
  await sign_in(page, watcher);
  await go(page, "Dead letters");
  await row_of(page, dead).waitFor();
  assert.equal(await page.locator("#view button").count(), 0);
  const token = (await page.evaluate(async () => (await fetch("session")).json())).token;
  const status = await page.evaluate(async ([ids, shown]) => (await fetch("api/jobs/discard", { method: "POST",
    headers: { "X-CSRF-Token": shown }, body: JSON.stringify({ ids }) })).status, [[dead], token]);
  assert.equal(status, 403, "nor by asking past the page");
  assert.equal((await api(`jobs/${dead}`, undefined, "GET")).dead, true);
});

test("a page of the public listener, which the browser takes for the same site, can do nothing", async () => {
  const page = await open();
  await sign_in(page, operator);
  await page.goto(`${server.url}/healthz`); // which has no policy of its own
  const asked = await page.evaluate(async (admin) => {
    const post = (path, headers) => fetch(`${admin}/admin/${path}`, { method: "POST", mode: "no-cors", credentials: "include", headers, body: "{}" });
    await post("api/queues/forged/pause");
    await post("session");
    return fetch(`${admin}/admin/session`, { credentials: "include" }).then(() => "read", () => "kept");
  }, server.internal);
  assert.equal(asked, "kept");
  const { queues } = await api("queues", undefined, "GET");
  assert.equal(queues.some((each) => each.name === "forged"), false);
});

test("by keyboard alone, and what is read stays where it is while the page asks again", async () => {
  const page = await open();
  await page.locator("#key_form").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "key");
  await page.keyboard.type(operator);
  await page.keyboard.press("Enter");
  await page.locator("#me").waitFor();
  await page.locator('nav a[data-view="queues"]').focus();
  await page.keyboard.press("Enter");
  const queue = row(page, "torture");
  await queue.getByRole("button", { name: "Pause" }).focus();
  await page.keyboard.press("Enter");
  await queue.getByText("paused").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Resume", "the focus stays at the queue");
  await page.keyboard.press("Enter");
  await queue.getByText("open").waitFor();
  await page.locator(".skip").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  assert.equal(await page.locator("#title").innerText(), "Queues");
});

test("a server that went away is said to have, and what ended with it asks for the key again", async () => {
  const page = await open();
  await sign_in(page, operator);
  await row(page, "0.1.0").waitFor();
  const before_it = server.internal;
  server.internal_listen = new URL(before_it).host;
  await server.kill("SIGKILL");
  await page.locator("#trouble", { hasText: "does not answer" }).waitFor();
  await server.start_again();
  await page.locator("#key_form").waitFor();
});

test("a mistake of the page's own is not taken for the server's silence", async () => {
  const page = await open();
  await sign_in(page, watcher);
  await page.route("**/admin/api/queues*", (route) => route.fulfill({ json: { queues: [null] } }));
  await go(page, "Queues");
  await page.locator("#trouble", { hasText: "This page made a mistake: " }).waitFor();
  await page.unroute("**/admin/api/queues*");
  await page.locator("#trouble").waitFor({ state: "hidden" });
});

test("the log is live, follows a request by its id, and keeps its filter", async () => {
  const page = await open();
  await sign_in(page, watcher);
  await go(page, "Log");
  const { headers } = await fetch(`${server.url}/nothing-there`);
  const id = headers.get("x-request-id");
  await row(page, "/nothing-there").first().waitFor(); // by itself
  await row(page, "/nothing-there").last().getByRole("link").click();
  await page.waitForURL(/#\/log\?text=/);
  assert.ok(id, "an answer names its request");
  await page.waitForFunction((wanted) => document.querySelector("#log_text")?.value === wanted, id); // the page is made anew
  await row(page, "admin.signed_in").first().waitFor({ state: "detached" });
  await row(page, "/nothing-there").waitFor();
  await page.locator("#log_level").selectOption("error");
  await page.getByText("No such line is kept").waitFor();
  await page.locator("#log_text").fill("");
  await page.locator("#log_level").selectOption("");
  await row(page, "admin.signed_in").first().waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  test(`the last hour is drawn, and read by pointer and by keyboard (${colorScheme})`, async () => {
    const page = await open({ colorScheme });
    await sign_in(page, watcher);
    await go(page, "The last hour");
    const chart = page.locator(".chart", { hasText: "Connections" });
    await chart.locator(".legend", { hasText: /^\d+ open/ }).waitFor();
    await page.locator(".chart", { hasText: "Memory" }).locator(".legend", { hasText: /[1-9]\d* MiB|[1-9][\d.]* MiB/ }).waitFor();
    assert.equal(await page.locator(".chart").count(), 11);
    assert.match(await chart.locator(".for_readers").textContent(), /Connections in the last hour: open: now \d, least \d, most \d/);
    const plot = chart.locator(".plot");
    await plot.hover();
    await chart.locator("figcaption", { hasText: /\d\d:\d\d:\d\d/ }).waitFor();
    await shot(page, `${colorScheme}-charts`);
    await page.locator("#title").hover();
    await chart.locator("figcaption", { hasText: "now" }).waitFor();
    await plot.focus();
    await page.keyboard.press("Home");
    await chart.locator("figcaption", { hasText: /\d\d:\d\d:\d\d/ }).waitFor();
    assert.equal(await plot.getAttribute("aria-valuenow"), "0");
    assert.match(await plot.getAttribute("aria-valuetext"), /^\d\d:\d\d:\d\d: \d open$/);
    assert.ok(await plot.evaluate((element) => element === document.activeElement), "the focus stays");
    await page.keyboard.press("Escape");
    await chart.locator("figcaption", { hasText: "now" }).waitFor();
    await windows.at(-1).is_content();
  });
}

test("numbers that JavaScript cannot hold are shown as they are", async () => {
  const { id } = await raw_job();
  const page = await open();
  await sign_in(page, watcher);
  await page.goto(`${server.internal}/admin/#/jobs/${id}`);
  await page.locator("pre", { hasText: "9007199254740993" }).waitFor();
  await page.locator("pre", { hasText: "0.12345678901234567890" }).waitFor();
});
async function raw_job() { // JSON.stringify would round them, too
  const answer = await fetch(`${server.internal}/api/jobs`, { method: "POST", headers: { "X-API-Key": operator },
    body: '{"task":"torture.step","countdown":3600,"kwargs":{"n":9007199254740993,"x":0.12345678901234567890}}' });
  return answer.json();
}

test("without any key the page says how to make one", async () => {
  const bare = await Server.start();
  try {
    const window = await open_window(browser, bare.internal, { path: "/admin/" });
    windows.push(window);
    await window.page.locator("#no_keys", { hasText: "MADANG_API_KEYS" }).waitFor();
    assert.equal(await window.page.locator("#key_form").isVisible(), false);
    await window.is_content();
  } finally {
    await bare.stop();
  }
});

test("a node of a cluster shows whom it sees, and who is gone", async () => {
  const start = (name, ...more) => Server.start({ config: `api_keys = ["eyes:read:${watcher}"]\n`,
                                                  options: ["--cluster-listen", "127.0.0.1:0", "--node-name", name, ...more] });
  const maple = await start("maple");
  const { address } = await (await fetch(`${maple.internal}/cluster`)).json();
  const pine = await start("pine", "--join", address);
  try {
    const window = await open_window(browser, maple.internal, { path: "/admin/" });
    windows.push(window);
    const { page } = window;
    await sign_in(page, watcher);
    await page.locator("dd", { hasText: "maple" }).getByText("up").waitFor();
    const other = page.locator('[aria-label="Other nodes"] tbody tr', { hasText: "pine" });
    await other.getByText("up").waitFor();
    assert.equal(await page.locator('[aria-label="Nodes"] tbody tr').count(), 2, "both answer what info asks");
    await shot(page, "cluster");
    await pine.kill("SIGKILL");
    await other.getByText("up").waitFor({ state: "detached" });
    await window.is_content();
  } finally {
    await Promise.all([maple.stop(), pine.stop()]);
  }
});

test("a phone shows it all without scrolling sideways, and no file comes from elsewhere", async () => {
  const page = await open(phone);
  const hosts = new Set();
  page.on("request", (request) => hosts.add(new URL(request.url()).host));
  await sign_in(page, operator);
  for (const name of ["The last hour", "Groups", "Queues", "Jobs", "Dead letters", "Schedules", "Workers", "Plugins", "Log", "Nodes"]) {
    await go(page, name);
    await page.locator("#content > *").first().waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
    await shot(page, `phone-${name.toLowerCase().replaceAll(" ", "-")}`);
  }
  assert.deepEqual([...hosts], [new URL(server.internal).host]);
  for (const file of ["index.html", "app.js", "style.css"])
    assert.doesNotMatch(await readFile(join(project_dir, "broker/admin/page", file), "utf8"), /(src|href|url|from|import)[=( "']+https?:/);
});
