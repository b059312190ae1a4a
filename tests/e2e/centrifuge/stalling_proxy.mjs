// A TCP proxy that cuts, refuses and stalls when told to.
import { connect, createServer } from "node:net";

export class StallingProxy {
  static async start(port) {
    const proxy = new StallingProxy();
    proxy.port = Number(port);
    proxy.pairs = new Set();
    proxy.mode = "flow";
    proxy.server = createServer((client) => proxy.#serve(client));
    await new Promise((done) => proxy.server.listen(0, "127.0.0.1", done));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  #serve(client) {
    if (this.mode === "refuse") {
      client.destroy();
      return;
    }
    const server = connect(this.port, "127.0.0.1");
    const pair = { client, server };
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [[client, server], [server, client]]) {
      from.setNoDelay(true);
      from.on("data", (bytes) => { if (!to.write(bytes)) from.pause(); });
      to.on("drain", () => { if (this.#flows(pair, from)) from.resume(); });
      from.on("end", () => to.end());
      from.on("error", () => {});
      from.on("close", end);
    }
    this.#apply(pair);
  }

  #flows(pair, from) {
    return this.mode === "flow" || (this.mode === "stall_up" && from === pair.server);
  }

  #apply(pair) {
    for (const each of [pair.client, pair.server]) {
      if (this.#flows(pair, each)) each.resume();
      else each.pause();
    }
  }

  // "flow"; "cut" (all connections, at once; then as before); "refuse" (cut, and none anew); "stall" (nothing passes, all stay
  // open); "stall_up" (nothing from clients passes).
  now(what) {
    if (what !== "cut") this.mode = what;
    if (what === "cut" || what === "refuse") {
      for (const { client, server } of this.pairs) {
        client.destroy();
        server.destroy();
      }
      this.pairs.clear();
    } else {
      for (const pair of this.pairs) this.#apply(pair);
    }
  }

  stop() {
    this.now("refuse");
    return new Promise((done) => this.server.close(done));
  }
}
