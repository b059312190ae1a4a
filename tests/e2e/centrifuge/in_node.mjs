// All cases on one transport, several at a time, in Node.js.
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { all } from "./cases/all.mjs";
import { Host } from "./host.mjs";
import { World, run_case } from "./world.mjs";

export function run_in_node(transport) {
  let host;
  before(async () => { host = await Host.start(); });
  after(() => host?.stop());
  const parts = { websocket: WebSocket, eventsource: EventSource };
  describe(transport, { concurrency: 12 }, () => {
    for (const { claim, body } of all) {
      test(claim, async () => {
        const world = new World({ Centrifuge, transport, parts, run: "node", host: async (what, ...of) => host.run(what, ...of) });
        await run_case(world, claim, body);
      });
    }
  });
}
