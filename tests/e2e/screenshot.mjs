// Draws docs/images/demo.png: two people in the yard, by day on a wide screen and by night on a phone.
//   node tests/e2e/screenshot.mjs [http://127.0.0.1:8000]
// Without an address it starts a server of its own.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { launch, open_window, phone } from "./support/browser.mjs";
import { project_dir } from "./support/paths.mjs";
import { Server } from "./support/server.mjs";

const images = join(project_dir, "docs/images");
const server = process.argv[2] ? null : await Server.start();
const url = process.argv[2] ?? server.url;
const browser = await launch();
try {
  const quiet = { reducedMotion: "reduce" };
  const one = await open_window(browser, url, { name: "Pine", viewport: { width: 1180, height: 780 }, deviceScaleFactor: 2, ...quiet });
  const two = await open_window(browser, url, { ...phone, name: "까치", locale: "ko-KR", colorScheme: "dark", ...quiet });
  await one.is("open");
  await two.is("open");
  await two.say("마당에 누구 있어요?");
  await one.sees("마당에");
  await one.say("I am here, under the persimmon tree.");
  await two.sees("persimmon");
  await two.say("감이 잘 익었네요 🍂");
  await two.say("차 한 잔 어때요?");
  await one.sees("어때요");
  await one.say("With pleasure.");
  await one.say("🍵");
  await two.sees("🍵");
  for (const room of ["maple", "사랑방"]) {
    await one.page.locator("#join_name").fill(room);
    await one.page.locator("#join_name").press("Enter");
    await one.is("open");
  }
  await one.page.locator("#room_list .enter", { hasText: "madang" }).click();
  for (const window of [one, two]) await window.page.evaluate(() => document.activeElement.blur());
  await mkdir(images, { recursive: true });
  const shots = [await one.page.screenshot(), await two.page.screenshot()].map((png) => `data:image/png;base64,${png.toString("base64")}`);
  const board = await browser.newPage({ viewport: { width: 1420, height: 800 } });
  await board.setContent(`<style>
    body { margin: 0; height: 100vh; position: relative; background: #e6d8bd }
    img { position: absolute; border-radius: 16px; box-shadow: 0 2px 6px #0003, 0 24px 60px -16px #0006 }
    #wide { left: 40px; top: 40px; width: 1040px } #phone { right: 36px; bottom: 36px; width: 310px; border: 6px solid #20262c; border-radius: 34px }
    </style><img id=wide src="${shots[0]}"><img id=phone src="${shots[1]}">`);
  await board.screenshot({ path: join(images, "demo.png") });
  process.stdout.write(`${join(images, "demo.png")}: ${(await readFile(join(images, "demo.png"))).length} bytes\n`);
} finally {
  await browser.close();
  await server?.stop();
}
