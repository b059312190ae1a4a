// The reports of the page against a stand-in server: what is shown when, and what is kept.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { FakeServer } from "./fake/server.mjs";
import { launch, open_window, phone } from "./support/browser.mjs";

const lost = /ERR_CONNECTION_REFUSED|WebSocket connection to .* failed|status of 40[034]|HTTP 40[034]/;
let browser, fake, window;

before(async () => { browser = await launch(); });
after(() => browser?.close());
beforeEach(async () => {
  fake = await FakeServer.start();
  window = await open_window(browser, fake.url, { name: "Magpie" });
  await window.is("open");
  await window.page.locator("#reports_button").click();
});
afterEach(async () => {
  await window.close();
  await fake.stop();
});

const card = (n = 0) => window.page.locator(".report").nth(n);
const is = (state, n = 0) => window.page.locator(`.report:nth-child(${n + 1})[data-state="${state}"]`).waitFor();
async function order(title) {
  await window.page.locator("#report_title").fill(title);
  await window.page.keyboard.press("Enter");
  await window.page.locator(".report .title", { hasText: title }).waitFor();
}
async function is_heard() {
  while (fake.users.size === 0) await window.page.waitForFunction(() => new Promise(requestAnimationFrame).then(() => true));
}

test("by keyboard alone: ordered, followed, downloaded, forgotten", async () => {
  assert.equal(await window.page.evaluate(() => document.activeElement.id), "report_title");
  await order("Maple");
  await is("waiting");
  assert.equal(await card().locator(".download").getAttribute("aria-disabled"), "true");
  assert.equal(await card().locator(".leave").isHidden(), true);
  await is_heard();
  fake.report("report-1", 7);
  await is("working");
  assert.match(await card().innerText(), /Page 7 of 12/);
  fake.report("report-1", 0, "SUCCESS");
  await is("ready");
  assert.equal(await window.page.locator("#announce").innerText(), "Maple is ready to download");
  await window.page.keyboard.press("Tab"); // from the button that ordered it, past "forget"
  await window.page.keyboard.press("Tab");
  const [file] = await Promise.all([window.page.waitForEvent("download"), window.page.keyboard.press("Enter")]);
  assert.equal(file.suggestedFilename(), "report.pdf");
  await window.page.keyboard.press("Shift+Tab");
  await window.page.keyboard.press("Enter");
  await window.page.locator("#report_empty").waitFor();
  assert.equal(await window.page.evaluate(() => document.activeElement.id), "report_title");
  assert.equal(await window.page.evaluate(() => localStorage.getItem("reports")), "[]");
  await window.is_content();
});

test("progress never goes back, whatever order the news come in", async () => {
  await order("Pine");
  await is_heard();
  fake.report("report-1", 9);
  fake.report("report-1", 4);
  await window.page.locator(".report .hint", { hasText: "Page 9 of 12" }).waitFor();
  fake.report("report-1", 0, "SUCCESS");
  fake.report("report-1", 10);
  await is("ready");
  fake.notify({ event: "job", id: "nobody's", state: "SUCCESS" });
  fake.notify("no object");
  await order("Plum");
  assert.equal(await window.page.locator('.report[data-state="ready"]').count(), 1);
});

test("a reload finds what was ordered, and what became of it meanwhile", async () => {
  await order("One");
  await order("Two");
  await is_heard();
  fake.report("report-1", 5);
  await is("working", 1);
  Object.assign(fake.reports.get("report-2"), { state: "SUCCESS", page: 12 }); // nobody is told
  await window.page.reload();
  await window.is("open");
  await window.page.locator("#reports_button").click();
  await is("ready", 0);
  await is("working", 1);
  assert.match(await card(1).innerText(), /Page 5 of 12/);
});

test("without a connection the server is asked until it answers", async () => {
  fake.refuse = (path) => (path === "/ws/notify/" ? 403 : null);
  await order("Asked");
  Object.assign(fake.reports.get("report-1"), { state: "SUCCESS", page: 12 });
  await is("ready");
  await window.is_content(lost);
});

test("a refusal says why, and a failure and what is not kept are told apart", async () => {
  await window.page.locator("#report_title").fill("forbidden");
  await window.page.keyboard.press("Enter");
  await window.page.locator("#report_error", { hasText: "title: not this one" }).waitFor();
  assert.equal(await window.page.locator(".report").count(), 0);
  await order("Fails");
  await is_heard();
  fake.report("report-1", 0, "FAILURE");
  await is("failed");
  assert.match(await card().innerText(), /Could not be made/);
  await order("Gone");
  fake.reports.delete("report-2");
  await window.page.reload();
  await window.is("open");
  await window.page.locator("#reports_button").click();
  await window.page.locator(".report .hint", { hasText: "Not kept any more" }).waitFor();
  await window.is_content(lost);
});

test("a title is shown as the text it is", async () => {
  await order("<img src=x onerror=alert(1)>");
  assert.equal(await window.page.locator("#reports img").count(), 0);
  await window.is_content();
});

test("the panel fits a phone, and every target is large enough", async () => {
  const small = await open_window(browser, fake.url, { ...phone, name: "까치", locale: "ko-KR" });
  try {
    await small.is("open");
    await small.page.locator("#reports_button").click();
    await small.page.locator("#report_title").fill("하나".repeat(20));
    await small.page.locator("#report_make").click();
    await small.page.locator(".report").waitFor();
    fake.reports.get("report-1").state = "FAILURE";
    await small.page.reload();
    await small.is("open");
    const wide = await small.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false, "the roof fits");
    await small.page.locator("#reports_button").click();
    await small.page.locator('.report[data-state="failed"]').waitFor();
    const targets = await small.page.locator("#reports :is(button, input, select, a):visible").evaluateAll((all) =>
      all.map((e) => ({ what: e.id || e.className, ...e.getBoundingClientRect().toJSON() })));
    for (const { what, width, height, right } of targets)
      // Positions are fractions of a pixel, and their difference a little off.
      assert.ok(Math.round(width) >= 44 && Math.round(height) >= 44 && right <= 390, `${what}: ${width}x${height}, to ${right}`);
    await small.is_content();
  } finally {
    await small.close();
  }
});
