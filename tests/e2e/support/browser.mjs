// Chromium from Debian, driven by playwright-core; and a window's page as the tests see it.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { shots_dir } from "./paths.mjs";

const patience_ms = 60_000;
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

// playwright makes a fresh user-data-dir for every launch and removes it on close.
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags });
}

export const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
export const wide = { viewport: { width: 1440, height: 900 } };

// A window of its own: storage is not shared with the other windows. `name` is who speaks in it; `init` runs in the page
// before its own scripts.
export async function open_window(browser, url, { name, path = "/", hash = "", init, ...options } = {}) {
  const context = await browser.newContext({ locale: "en-GB", ...wide, ...options });
  context.setDefaultTimeout(patience_ms);
  const page = await context.newPage();
  const window = new Window(page);
  await page.addInitScript(() => {
    globalThis.csp_violations = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      globalThis.csp_violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  if (name) await page.addInitScript((who) => sessionStorage.getItem("name") ?? sessionStorage.setItem("name", who), name);
  if (init) await page.addInitScript(init);
  const answer = await page.goto(`${url}${path}${hash && `#${encodeURIComponent(hash)}`}`);
  assert.equal(answer?.status(), 200, `GET ${url}${path} must serve the demo page`);
  return window;
}

export class Window {
  constructor(page) {
    this.page = page;
    this.complaints = []; // console errors and warnings, uncaught exceptions, failed requests
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => this.complaints.push(`uncaught: ${error.stack ?? error}`));
    page.on("response", (response) => {
      if (response.status() >= 400) this.complaints.push(`HTTP ${response.status()} for ${response.url()}`);
    });
  }

  async is(state, patience = patience_ms) {
    const seen = () => this.page.locator("#state").getAttribute("data-state");
    try {
      await this.page.locator(`#state[data-state="${state}"]`).waitFor({ timeout: patience });
    } catch {
      assert.fail(`the room should be "${state}" but is "${await seen()}" after ${patience} ms; complaints: ${this.complaints.join(" | ") || "none"}`);
    }
  }

  async say(text) {
    await this.page.locator("#say").fill(text);
    await this.page.locator("#say").press("Enter");
  }

  get log() {
    return this.page.locator(".scroll:not([hidden]) .log");
  }

  line(text) {
    return this.log.locator("li.message", { hasText: text });
  }

  async sees(text, { author, status = "sent" } = {}) {
    const lines = this.log.locator(`li.message[data-status="${status}"]`).filter({ has: this.page.locator(".text", { hasText: text }) });
    const line = author ? lines.filter({ has: this.page.locator(".who", { hasText: author }) }) : lines;
    try {
      await line.first().waitFor();
    } catch {
      assert.fail(`no line "${text}"${author ? ` by ${author}` : ""} with status ${status}; the room shows:\n${await this.log.innerText()}\n` +
                  `complaints: ${this.complaints.join(" | ") || "none"}`);
    }
    return line.first();
  }

  async sees_notice(pattern) {
    try {
      await this.log.locator("li.system", { hasText: pattern }).first().waitFor();
    } catch {
      assert.fail(`no notice ${pattern}; the room shows:\n${await this.log.innerText()}`);
    }
  }

  // Fails if the page complained of anything, but for what `expected` matches.
  async is_content(expected) {
    const violations = await this.page.evaluate(() => globalThis.csp_violations);
    assert.deepEqual(violations, [], "Content-Security-Policy violations");
    assert.deepEqual(this.complaints.filter((line) => !expected?.test(line)), [], "console errors, exceptions or failed requests");
  }

  async shot(name) {
    await mkdir(shots_dir, { recursive: true });
    await this.page.screenshot({ path: join(shots_dir, `${name}.png`) });
  }

  close() {
    return this.page.context().close();
  }
}
