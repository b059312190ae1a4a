// Copies the client's own browser build, and its licence, to where the page finds them.
import { copyFile, mkdir } from "node:fs/promises";

const to = new URL("site/vendor/", import.meta.url);
await mkdir(to, { recursive: true });
for (const [from, name] of [["dist/centrifuge.js", "centrifuge.js"], ["LICENSE", "centrifuge.LICENSE"]])
  await copyFile(new URL(`node_modules/centrifuge/${from}`, import.meta.url), new URL(name, to));
