// Three servers as one, seen from one of them, which owns nothing until it is started again: as a Server.
import assert from "node:assert/strict";
import { command, eventually, sees, status_of } from "./cluster.mjs";
import { Server } from "./server.mjs";

export class Three {
  // `key`: of the API, for everything.
  static async start({ config, options, key }) {
    const three = new Three();
    three.key = key;
    const start = async (name, ...join) => Server.start(
      { config, options: [...options, "--cluster-listen", "127.0.0.1:0", "--node-name", name, "--drain-timeout", "3s", ...join] });
    three.all = [await start("one")];
    try {
      const join = ["--join", (await status_of(three.all[0])).address];
      three.all.push(await start("other", ...join));
      three.at = await start("edge", ...join);
      three.all.push(three.at);
      await three.#joined();
      const drained = await command("cluster", "drain", "--url", three.internal, "--api-key", key);
      assert.equal(drained.code, 0, drained.stderr);
    } catch (error) {
      await three.stop();
      throw error;
    }
    return three;
  }

  async #joined() {
    for (const each of this.all) await sees(each, "edge=up one=up other=up");
    // A link is there before the nodes know each other's hubs: until then what is published to another's group is refused.
    await eventually("groups of every node take what is published", async () => {
      const answers = await Promise.all(Array.from({ length: 16 }, (_, i) => fetch(`${this.internal}/api/publish`, {
        method: "POST", headers: { "X-API-Key": this.key }, body: JSON.stringify({ channel: `joined${i}`, data: i }) })));
      const refused = answers.find((each) => each.status !== 200);
      if (refused) throw new Error(await refused.text());
      return (await Promise.all(answers.map((each) => each.json()))).every((each) => !each.error);
    });
  }

  get url() { return this.at.url; }
  get internal() { return this.at.internal; }

  kill(signal) {
    return this.at.kill(signal);
  }

  async start_again() {
    await this.at.start_again();
    await this.#joined();
  }

  async stop() {
    await Promise.all(this.all.map((each) => each.stop()));
  }
}
