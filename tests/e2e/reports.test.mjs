// The report, as a person meets it: asked for with a click, drawn by a worker's child, there again after a reload, and
// downloaded. Against the real server, with its own worker; pdftotext reads what came.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, open_window, phone } from "./support/browser.mjs";
import { token_of } from "./support/jwt.mjs";
import { Server, secret } from "./support/server.mjs";

const lost = /WebSocket connection to .* failed|ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE/;
const patience_ms = 120_000;
let browser, server, windows;

before(async () => {
  browser = await launch();
  server = await Server.start({ config: "[plugin.report]\ndays_per_page = 4000\n", options: ["--workers", "1"] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(() => { windows = []; });
afterEach(() => Promise.all(windows.map((window) => window.close())));

async function open(options) {
  const window = await open_window(browser, server.url, { name: "Pine", acceptDownloads: true, ...options });
  windows.push(window);
  await window.is("open");
  return window;
}

async function order(window, title, pages = 12) {
  if (await window.page.locator("#reports").isHidden()) await window.page.locator("#reports_button").click();
  await window.page.locator("#report_title").fill(title);
  await window.page.locator("#report_pages").selectOption(String(pages));
  await window.page.locator("#report_make").click();
  const card = window.page.locator(".report", { hasText: title });
  await card.waitFor();
  return card;
}
const reaches = (window, title, state) => window.page.locator(`.report[data-state="${state}"]`, { hasText: title }).waitFor({ timeout: patience_ms });
const page_of = async (card) => Number(await card.locator("progress").evaluate((bar) => (bar.hasAttribute("value") ? bar.value : 0)));

async function download(window, card) {
  const [file] = await Promise.all([window.page.waitForEvent("download"), card.locator(".download").click()]);
  assert.match(file.suggestedFilename(), /^report-.+\.pdf$/);
  return execFileSync("pdftotext", ["-layout", await file.path(), "-"], { encoding: "utf8" });
}
function holds_all(text, title, pages) {
  assert.ok(text.includes(title), text);
  for (let page = 1; page <= pages; page += 1) assert.ok(text.includes(`Page ${page} of ${pages}`), `page ${page} is missing:\n${text}`);
}

// The children of a process that run this server's binary, theirs included.
function children_of(pid) {
  const list = execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" }).split(/\s+/).filter(Boolean).map(Number);
  return list.flatMap((child) => [child, ...safely(() => children_of(child))]);
}
function safely(call) {
  try { return call(); } catch { return []; } // ps finds nobody: exit code 1
}

test("a click, its progress, a reload in the middle, and the PDF", async () => {
  const window = await open();
  const card = await order(window, "A day under the persimmon");
  assert.equal(await card.locator(".download").getAttribute("href"), null, "nothing to download yet");
  await reaches(window, "A day under the persimmon", "working");
  const before_reload = await page_of(card);
  assert.ok(before_reload >= 1 && before_reload <= 12, `page ${before_reload}`);
  await window.page.reload();
  await window.is("open");
  await window.page.locator("#reports_button").click();
  await card.waitFor();
  await reaches(window, "A day under the persimmon", "ready");
  assert.equal(await page_of(card), 12);
  holds_all(await download(window, card), "A day under the persimmon", 12);
  await window.is_content();
});

test("a report that comes while nobody looks is counted, and a phone shows it too", async () => {
  const window = await open(phone);
  const workers = safely(() => children_of(server.child.pid));
  for (const pid of workers) process.kill(pid, "SIGSTOP"); // so that it is not ready while one still looks
  const card = await order(window, "Seen later", 6).finally(async () => {
    await window.page.locator("#reports [data-close]").click();
    for (const pid of workers) process.kill(pid, "SIGCONT");
  });
  await window.page.locator("#reports_unread", { hasText: "1" }).waitFor({ timeout: patience_ms });
  await window.page.locator("#reports_button").click();
  await window.page.locator("#reports_unread").waitFor({ state: "hidden" });
  holds_all(await download(window, card), "Seen later", 6);
  await window.is_content();
});

test("who has a token is told in every window, and nobody else finds the report", async () => {
  const [one, two, guest] = [await open(), await open(), await open()];
  for (const window of [one, two]) {
    await window.page.locator("#notify_button").click();
    await window.page.locator("#token").fill(token_of("42", secret));
    await window.page.locator("#token").press("Enter");
    await window.page.locator('#notify_state[data-state="open"]').waitFor();
  }
  await order(one, "For 42", 6);
  await two.page.locator("#notify_list li", { hasText: "For 42" }).waitFor({ timeout: patience_ms });
  await reaches(one, "For 42", "ready");
  const url = await one.page.locator(".report .download").getAttribute("href");
  const id = url.split("/")[3];
  const asked = await guest.page.evaluate(async (path) => (await fetch(path)).status, `/api/reports/${id}/`);
  assert.equal(asked, 404);
  const changed = await fetch(server.url + url.replace(/.$/, (c) => (c === "0" ? "1" : "0")));
  assert.equal(changed.status, 403);
  assert.equal((await fetch(server.url + url)).headers.get("content-type"), "application/pdf");
  await one.is_content();
});

test("the worker's processes are killed in the middle: the next attempt goes on with the next page", async () => {
  const window = await open();
  const card = await order(window, "Killed and resumed", 48);
  await reaches(window, "Killed and resumed", "working");
  const descendants = safely(() => children_of(server.child.pid));
  assert.ok(descendants.length > 0, "the server has a worker with children");
  for (const pid of descendants) safely(() => process.kill(pid, "SIGKILL"));
  await reaches(window, "Killed and resumed", "ready");
  const url = await card.locator(".download").getAttribute("href");
  assert.match(url, /expires=\d+&signature=[0-9a-f]{64}$/);
  holds_all(await download(window, card), "Killed and resumed", 48);
});

test("the server is killed in the middle: the report is made all the same", async () => {
  const window = await open();
  const card = await order(window, "Survives the server", 48);
  await reaches(window, "Survives the server", "working");
  await server.kill("SIGKILL");
  await server.start_again();
  await window.is("open", 45_000);
  await reaches(window, "Survives the server", "ready");
  holds_all(await download(window, card), "Survives the server", 48);
  await window.is_content(lost);
});
