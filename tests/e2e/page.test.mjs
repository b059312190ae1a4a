// The page against a stand-in server, for what the real one does only in bad times, and for the looks.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { FakeServer } from "./fake/server.mjs";
import { launch, open_window, phone } from "./support/browser.mjs";

const expected_of_lost_connections = /ERR_CONNECTION_REFUSED|WebSocket connection to .* failed/;
let browser, fake, windows;

async function open(options) {
  const window = await open_window(browser, fake.url, { name: "Magpie", ...options });
  windows.push(window);
  return window;
}

before(async () => { browser = await launch(); });
after(() => browser?.close());
beforeEach(async () => { fake = await FakeServer.start(); windows = []; });
afterEach(async () => {
  await Promise.all(windows.map((window) => window.close()));
  await fake.stop();
});

test("what was received is shown as text, whatever it looks like", async () => {
  const window = await open();
  await window.is("open");
  const evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>&amp;';
  fake.say("madang", { message: evil });
  fake.say("madang", { message: `<b>bold</b>: ${evil}` });
  fake.say("madang", { system: `${evil} joined` });
  fake.say("madang", { error: [{ field: evil, message: evil }] });
  for (const junk of ["{", "[]", "null", '{"message":{}}', "\u0000"]) fake.say("madang", junk);
  fake.say("madang", { message: "the last" });
  await window.sees("the last");
  await window.sees(evil, { author: "<b>bold</b>" });
  assert.equal(await window.page.locator("#logs script, #logs b, #logs img[src=x]").count(), 0);
  await window.is_content();
});

test("Enter that ends an IME composition does not send", async () => {
  const window = await open();
  await window.is("open");
  await window.page.locator("#say").focus();
  const ime = await window.page.context().newCDPSession(window.page);
  await ime.send("Input.imeSetComposition", { text: "한ㄱ", selectionStart: 2, selectionEnd: 2 });
  const enter = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 };
  await ime.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter });
  await ime.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter });
  await ime.send("Input.insertText", { text: "한글" });
  assert.equal(await window.page.locator("#say").inputValue(), "한글");
  assert.deepEqual(fake.said, []);
  await window.page.keyboard.press("Enter");
  await window.sees("한글");
  assert.deepEqual(fake.said, ["Magpie: 한글"]);
});

test("Shift + Enter makes a new line, and blank messages are not sent", async () => {
  const window = await open();
  await window.is("open");
  await window.say("  \n ");
  await window.page.locator("#say").fill("one");
  await window.page.keyboard.press("Shift+Enter");
  await window.page.keyboard.type("two");
  await window.page.keyboard.press("Enter");
  await window.sees("one\ntwo");
  assert.deepEqual(fake.said, ["Magpie: one\ntwo"]);
});

test("messages arrive in the order typed, and an error belongs to the message that caused it", async () => {
  const window = await open();
  await window.is("open");
  const texts = Array.from({ length: 20 }, (_, i) => (i % 5 === 3 ? `forbidden ${i}` : `line ${i}`));
  for (const text of texts) await window.say(text);
  await window.sees("line 19");
  assert.deepEqual(fake.said, texts.map((text) => `Magpie: ${text}`));
  assert.deepEqual(await window.log.locator('[data-status="refused"] .text').allInnerTexts(), texts.filter((text) => text.startsWith("f")));
});

test("a message whose answer never came is said to be unsure and can be sent again", async () => {
  const window = await open();
  await window.is("open");
  fake.echo = false;
  await window.say("did it arrive?");
  await window.line("did it arrive?").and(window.page.locator('[data-status="sending"]')).waitFor();
  fake.close_all(1011);
  const line = await window.sees("did it arrive?", { status: "lost" });
  fake.echo = true;
  await window.is("open");
  await line.locator("button").click();
  await window.sees("did it arrive?", { status: "sent" });
  assert.equal(await window.line("did it arrive?").count(), 1);
});

for (const code of [1001, undefined]) {
  test(`the server goes ${code ? `with ${code}` : "without a word"}; what is typed meanwhile is sent on return`, async () => {
    const [one, two] = [await open(), await open({ name: "Pine" })];
    await Promise.all([one.is("open"), two.is("open")]);
    await fake.stop(code);
    await Promise.all([one.is("waiting"), two.is("waiting")]);
    await one.say("아직 거기 있어요?");
    await one.sees("아직 거기 있어요?", { status: "queued" });
    await fake.listen();
    await Promise.all([one.is("open"), two.is("open")]);
    await one.sees("아직 거기 있어요?", { status: "sent" });
    await one.is_content(expected_of_lost_connections);
  });
}

test("Try now does not wait for the back-off", async () => {
  const window = await open();
  await window.is("open");
  await window.page.clock.pauseAt(Date.now() + 1_000); // from here on no timer of the page fires
  fake.close_all(1011);
  await window.is("waiting");
  await window.page.locator("#retry").click();
  await window.is("open");
});

test("a refused room says so, does not insist, and opens when asked again", async () => {
  fake.refuse = (path) => (path.includes("closed") ? 403 : null);
  fake.refuse_group = (group) => group === "room:closed";
  const window = await open({ hash: "closed" });
  await window.is("refused");
  fake.refuse = () => null;
  await window.page.locator("#retry").click();
  await window.is("open");
  assert.equal(await window.page.locator("#transport").innerText(), "WebSocket");
});

test("a connection that was closed for good is not opened again", async () => {
  const window = await open();
  await window.is("open");
  fake.close_all(3500, "go away");
  await window.is("ended");
  assert.equal(fake.members("madang").size, 0);
});

test("several rooms are open at once: unread messages are counted, drafts kept, links lead to a room", async () => {
  const window = await open({ hash: "사랑방" });
  const { page } = window;
  await window.is("open");
  await page.locator("#say").fill("a draft");
  await page.locator("#join_name").fill("maple");
  await page.locator("#join_name").press("Enter");
  await window.is("open");
  assert.equal(await page.locator("#room_title").innerText(), "maple");
  for (const text of ["하나", "둘"]) fake.say("사랑방", { message: `Pine: ${text}` });
  fake.say("maple", { message: "Pine: here" });
  await window.sees("here", { author: "Pine" });
  const other = page.locator("#room_list li", { hasText: "사랑방" });
  await other.locator(".count", { hasText: "2" }).waitFor();
  assert.match(await page.title(), /^\(2\)/);
  await other.locator(".enter").click();
  await window.sees("둘");
  assert.equal(await page.locator("#say").inputValue(), "a draft");
  await other.locator(".count").waitFor({ state: "hidden" });
  assert.equal(decodeURIComponent(new URL(page.url()).hash), "#사랑방");
  await page.reload();
  await window.is("open");
  assert.equal(await page.locator("#room_list li").count(), 2, "a reload keeps the open rooms");
  await page.locator("#room_list li", { hasText: "maple" }).locator(".leave").click();
  assert.equal(await page.locator("#room_list li").count(), 1);
  await window.is_content();
});

test("the list of messages is bounded", async () => {
  const window = await open();
  await window.is("open");
  for (let i = 0; i < 400; i += 1) fake.say("madang", { message: `Pine: line ${i}.` });
  await window.sees("line 399.");
  assert.equal(await window.log.locator("li").count(), 300);
  assert.equal(await window.line("line 99.").count(), 0);
});

test("who reads further up is not pulled down", async () => {
  const window = await open();
  await window.is("open");
  for (let i = 0; i < 80; i += 1) fake.say("madang", { message: `line ${i}.` });
  await window.sees("line 79.");
  const scroll = window.page.locator(".scroll:not([hidden])");
  await scroll.evaluate((e) => new Promise((done) => { e.addEventListener("scroll", done, { once: true }); e.scrollTop = 0; }));
  fake.say("madang", { message: "a new one" });
  await window.page.locator("#newer").waitFor();
  assert.equal(await scroll.evaluate((e) => e.scrollTop), 0);
  await window.page.locator("#newer").click();
  await window.page.locator("#newer").waitFor({ state: "hidden" });
});

test("pushed notifications are shown as text, newest first, and counted while the panel is closed", async () => {
  const window = await open();
  const { page } = window;
  await page.locator("#notify_button").click();
  await page.locator("#token").fill("header.eyJzdWIiOiI0MiJ9.signature");
  await page.locator("#token").press("Enter");
  await page.locator('#notify_state[data-state="open"]').waitFor();
  assert.match(await page.locator("#notify_text").innerText(), /42/);
  fake.notify({ type: "parcel", title: "소포가 왔습니다 <b>" });
  await page.locator("#notify_list .text", { hasText: "소포가 왔습니다 <b>" }).waitFor();
  await page.keyboard.press("Escape");
  fake.notify("a plain text");
  await page.locator("#notify_unread", { hasText: "1" }).waitFor();
  assert.equal(await page.locator("#notify_list li").first().locator(".text").textContent(), "a plain text");
  await window.is_content();
});

test("a phone's panels hold the focus, and Escape gives it back", async () => {
  const window = await open(phone);
  const { page } = window;
  await window.is("open");
  assert.equal(await page.locator("#rooms").isVisible(), false);
  await page.locator("#rooms_button").tap();
  await page.locator("#join_name").waitFor();
  for (let i = 0; i < 12; i += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("#rooms") !== null),
              "the focus left the open panel");
  }
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "rooms_button");
});

test("long words, long names and emoji never make the page wider than the screen", async () => {
  const window = await open({ ...phone, name: "가나다라마바사아자차카타파하가나다라마바사아자차" });
  await window.is("open");
  fake.say("madang", { message: `${"n".repeat(24)}: ${"w".repeat(600)}` });
  fake.say("madang", { message: `x: ${"가".repeat(300)} ${"👩‍👩‍👧‍👦".repeat(40)}` });
  await window.say("https://example.com/" + "a".repeat(300));
  await window.sees("aaaa");
  const [page_width, log_width, shown] = await window.page.evaluate(() => {
    const scroll = document.querySelector(".scroll:not([hidden])");
    return [document.documentElement.scrollWidth, scroll.scrollWidth, scroll.clientWidth];
  });
  assert.ok(page_width <= phone.viewport.width, `the page is ${page_width} wide`);
  assert.ok(log_width <= shown, `the log is ${log_width} wide in ${shown}`);
});

test("every control has a name, and every target of a phone is large enough", async () => {
  const window = await open(phone);
  await window.is("open");
  const wrong = await window.page.evaluate(() => {
    const problems = [];
    for (const e of document.querySelectorAll("button, input, textarea, a[href]")) {
      const name = e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.[0]?.textContent.trim();
      if (!name) problems.push(`no name: ${e.outerHTML.slice(0, 80)}`);
      const box = e.getBoundingClientRect();
      if (e.checkVisibility({ visibilityProperty: true }) && !e.matches(".skip") && box.height < 36) problems.push(`${box.height} high: ${e.outerHTML.slice(0, 80)}`);
    }
    return problems;
  });
  assert.deepEqual(wrong, []);
});

for (const colorScheme of ["light", "dark"]) {
  test(`texts are readable on their ground (${colorScheme})`, async () => {
    const window = await open({ colorScheme, reducedMotion: "reduce" });
    await window.is("open");
    await window.say("mine");
    await window.say("forbidden");
    await window.sees("forbidden", { status: "refused" });
    for (let i = 0; i < 40; i += 1) fake.say("madang", { message: `N${i}: hello` }); // faces of many colours
    fake.say("madang", { message: "Pine: theirs" });
    await window.sees("theirs");
    fake.seen = [{ user: "ann", time: 0 }];
    const poor_ones = () => window.page.evaluate(() => {
      const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = (e) => {
        for (; e; e = e.parentElement) {
          const color = rgba(getComputedStyle(e).backgroundColor);
          if (color[3] === 255) return color;
        }
        return [255, 255, 255, 255];
      };
      const problems = [];
      for (const e of document.querySelectorAll("body *")) {
        const own_text = [...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own_text || !e.checkVisibility({ visibilityProperty: true }) || e.closest(".unseen, noscript, .hangul")) continue;
        const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const needed = e.matches(".face, h1 *, h2, h3") ? 3 : 4.5; // WCAG 2.2, 1.4.3: large text and decoration, other text
        if (ratio < needed) problems.push(`${ratio.toFixed(2)} < ${needed}: ${e.tagName}.${e.className} "${e.textContent.slice(0, 30)}"`);
      }
      return problems;
    });
    for (const panel of ["notify", "reports", "people"]) {
      await window.page.locator(`#${panel}_button`).click();
      if (panel === "reports") {
        for (const n of [0, 1, 2]) {
          await window.page.locator("#report_make").click();
          await window.page.locator(".report").nth(n).waitFor();
        }
        // Who has just connected asks what became of them.
        Object.assign(fake.reports.get("report-1"), { state: "SUCCESS", page: 12 });
        Object.assign(fake.reports.get("report-2"), { state: "FAILURE", page: 3 });
        Object.assign(fake.reports.get("report-3"), { state: "STARTED", page: 3 });
        await window.page.reload();
        await window.is("open");
        await window.page.locator("#reports_button").click();
        for (const state of ["ready", "failed", "working"]) await window.page.locator(`.report[data-state="${state}"]`).waitFor();
      }
      if (panel === "people") await window.page.locator("#seen_list li").waitFor();
      assert.deepEqual(await poor_ones(), []);
    }
  });
}

test("the page speaks Korean to Korean browsers, and either language on demand", async () => {
  const window = await open({ locale: "ko-KR" });
  await window.is("open");
  assert.equal(await window.page.locator("html").getAttribute("lang"), "ko");
  await window.sees_notice("들어왔습니다");
  await window.page.locator("#language").click();
  await window.sees_notice("joined");
  assert.equal(await window.page.locator("html").getAttribute("lang"), "en");
  assert.equal(await window.page.evaluate(() => document.body.innerText.includes("undefined")), false);
});

// --- what is kept, and who is there -----------------------------------------------------------------------------------

const shown = (window) => window.log.locator("li.message .text").allInnerTexts();

test("joining shows the room's last messages, and who says them; they are no news", async () => {
  for (const message of ["Pine: 하나", "Magpie: two", "nameless"]) fake.kept("room:madang").push({ message });
  const window = await open();
  await window.sees_notice("joined");
  assert.deepEqual(await shown(window), ["하나", "two", "nameless"]);
  await window.sees("하나", { author: "Pine" });
  await window.sees("two", { author: "You" });
  assert.equal(await window.page.locator("#rooms_unread").isHidden(), true);
  assert.equal(await window.log.locator("li").last().getAttribute("class"), "system");
  await window.is_content();
});

test("coming back adds what was missed, once and in order, and settles what was thought lost", async () => {
  const window = await open();
  await window.is("open");
  await window.say("first");
  await window.sees("first");
  fake.echo = false;
  await window.say("did it arrive?");
  await window.line("did it arrive?").and(window.page.locator('[data-status="sending"]')).waitFor();
  fake.close_all(1011);
  await window.sees("did it arrive?", { status: "lost" });
  fake.echo = true;
  for (const message of ["Magpie: did it arrive?", "Pine: meanwhile"]) fake.kept("room:madang").push({ message });
  await window.is("open");
  await window.sees("meanwhile", { author: "Pine" });
  await window.sees("did it arrive?", { status: "sent" });
  assert.deepEqual((await shown(window)).sort(), ["did it arrive?", "first", "meanwhile"]);
});

test("who is here is shown, with each coming and going, and who was last seen", async () => {
  fake.seen = [{ user: "영희", time: Date.now() - 60_000 }];
  const one = await open();
  await one.is("open");
  await one.page.locator("#people_button").click();
  const here = one.page.locator("#here_list li");
  await one.page.locator("#here_list li", { hasText: "(you)" }).waitFor();
  await one.page.locator("#seen_list", { hasText: "영희" }).waitFor();
  assert.equal(await here.count(), 1);
  const two = await open({ name: "Pine" });
  await here.nth(1).waitFor();
  assert.equal(await one.page.locator("#people_count").innerText(), "2");
  await two.close();
  windows.pop();
  await here.nth(1).waitFor({ state: "detached" });
  await one.page.keyboard.press("Escape");
  assert.equal(await one.page.evaluate(() => document.activeElement.id), "people_button");
  await one.is_content();
});

test("who types is shown to the others until it is said, or for a while", async () => {
  const [one, two] = [await open(), await open({ name: "Pine" })];
  await Promise.all([one.is("open"), two.is("open")]);
  const sign = one.page.locator('#typing[data-shown="true"]', { hasText: /^guest \w+ is typing$/ });
  await two.page.locator("#say").pressSequentially("hel");
  await sign.waitFor();
  assert.equal(await two.page.locator('#typing[data-shown="true"]').count(), 0, "nobody is told of himself");
  await two.say("hello");
  await one.sees("hello");
  await sign.waitFor({ state: "detached" });
  await one.page.clock.install();
  await two.page.locator("#say").fill("again");
  fake.publish("room:madang", { typing: "x" }, false);
  await one.page.locator('#typing[data-shown="true"]').waitFor();
  await one.page.clock.runFor(4_000);
  await one.page.locator('#typing[data-shown="false"]').waitFor({ state: "attached" });
  assert.deepEqual(fake.said, ["Pine: hello"]);
});

// --- where WebSockets are blocked ---------------------------------------------------------------------------------------

const blocked_socket = /WebSocket connection to .* failed|HTTP 403|404/;
for (const [name, blocked] of [["HTTP stream", []], ["SSE", ["http_stream"]]]) {
  test(`without WebSockets the room comes over ${name}, and nothing is lacking`, async () => {
    fake.kept("room:사랑방".replace("사랑방", "%EC%82%AC%EB%9E%91%EB%B0%A9")).push({ message: "Pine: kept" });
    const other = await open({ name: "Pine", hash: "사랑방" });
    await other.is("open");
    fake.refuse = (path) => (path.startsWith("/ws/") ? 403 : null);
    for (const kind of blocked) fake.blocked.add(kind);
    const window = await open({ hash: "사랑방" });
    await window.is("open");
    assert.equal(await window.page.locator("#transport").innerText(), name);
    await window.sees("kept", { author: "Pine" });
    await window.sees_notice("joined");
    await window.say("안녕 over HTTP");
    await window.sees("안녕 over HTTP", { author: "You" });
    await other.sees("안녕 over HTTP", { author: "Magpie" });
    await other.page.locator("#say").fill("hi");
    await window.page.locator('#typing[data-shown="true"]').waitFor();
    await other.say("hi");
    await window.sees("hi", { author: "Pine" });
    await window.say("forbidden");
    await window.sees("forbidden", { status: "refused" });
    await window.page.locator("#people_count", { hasText: /^2$/ }).waitFor(); // asked for a while after the join
    assert.equal(await window.line("안녕 over HTTP").count(), 1);
    await window.is_content(blocked_socket);
  });
}

test("where WebSockets are blocked, too, the page comes back by itself", async () => {
  fake.refuse = (path) => (path.startsWith("/ws/") ? 403 : null);
  const window = await open();
  await window.is("open");
  await window.say("before");
  await window.sees("before");
  await fake.stop();
  await window.is("waiting");
  await fake.listen();
  await window.is("open");
  await window.say("after");
  await window.sees("after");
  assert.deepEqual(await shown(window), ["before", "after"]);
});

// --- the second page ----------------------------------------------------------------------------------------------------

for (const [name, transport] of [["WebSocket", ""], ["HTTP stream", "http_stream"], ["SSE", "sse"]]) {
  test(`the page of the npm package shows the same room over ${name}`, async () => {
    fake.kept("room:maple").push({ message: "Pine: kept" });
    const one = await open({ name: "Pine", hash: "maple" });
    await one.is("open");
    const two = await open({ path: `/centrifuge.html${transport && `?transport=${transport}`}`, hash: "maple" });
    await two.is("open");
    assert.equal(await two.page.locator("#transport").innerText(), name);
    await two.sees("kept", { author: "Pine" });
    await one.say("from the first");
    await two.sees("from the first", { author: "Pine" });
    await two.say("두 번째에서");
    await one.sees("두 번째에서", { author: "Magpie" });
    await two.sees("두 번째에서", { author: "You" });
    assert.equal(await two.line("두 번째에서").count(), 1);
    await two.say("forbidden");
    await two.sees("forbidden", { status: "refused" });
    await one.page.locator("#say").fill("typing");
    await two.page.locator('#typing[data-shown="true"]').waitFor();
    await two.page.locator("#people_button").click();
    await two.page.locator("#here_list li").nth(1).waitFor();
    await two.page.keyboard.press("Escape");
    await one.close();
    windows.shift();
    await two.sees_notice("left");
    await two.is_content();
  });
}

test("the second page, opened first, has a name and keeps it", async () => {
  const window = await open({ name: null, path: "/centrifuge.html", hash: "maple" });
  await window.is("open");
  const name = /^Say something, (\S+)$/.exec(await window.page.locator("#say").getAttribute("placeholder"))?.[1];
  assert.ok(name, "the message box says who speaks");
  await window.say("who am I");
  await window.sees("who am I", { author: "You" });
  const other = await open({ name: name === "Pine" ? "Plum" : "Pine", hash: "maple" });
  await other.sees("who am I", { author: name });
  await window.page.locator("#wanted").selectOption("sse");
  await window.page.waitForURL(/transport=sse/);
  await window.is("open");
  await window.sees("who am I", { author: "You" });
  await window.page.locator("#other_page").click();
  await window.is("open");
  assert.equal(await window.page.locator("#name").inputValue(), name);
  await window.is_content();
});

test("without the npm package the second page says where to get it", async () => {
  const window = await open({ path: "/centrifuge.html", init: () => Object.defineProperty(globalThis, "Centrifuge", { value: undefined }) });
  await window.page.locator("#missing").waitFor();
  assert.match(await window.page.locator("#missing").innerText(), /npm ci/);
  assert.equal(await window.page.locator("#composer").isVisible(), false);
});

test("the second page fits a phone", async () => {
  const window = await open({ ...phone, path: "/centrifuge.html", locale: "ko-KR", hash: "가나다라마바사아자차카타파하" });
  await window.is("open");
  assert.ok(await window.page.evaluate(() => document.documentElement.scrollWidth) <= phone.viewport.width);
  await window.page.locator("#people_button").tap();
  await window.page.locator("#here_list li").waitFor();
  await window.page.locator("#people_close").tap();
  await window.page.locator("#here_list").waitFor({ state: "hidden" });
});
