// Connections that go silent.
import { ok, same } from "../kit.mjs";

export default {
  // A machine that stands still for longer than the client waits costs a connection: one time in three is enough.
  "pings keep a silent connection": async (w) => {
    const server = await w.server("pinging");
    let lost = 0;
    for (; lost < 3; lost += 1) {
      let asked = 0;
      let second;
      const later = new Promise((done) => { second = done; });
      // Without pings the client would give up after 1.9 s; its token is refreshed after 3 s.
      const { client, ear } = await w.connect({ server, maxServerPingDelay: 900, getToken: () => {
        asked += 1;
        if (asked === 2) second();
        return w.token({ sub: "silent" }, 3);
      } });
      await later;
      if (ear.of("connecting").length === 1) return;
      client.disconnect();
    }
    same(lost, 0, "connections given up, one after the other");
  },

  "a connection that stalls is given up by the client, which comes back and recovers": async (w) => {
    const server = await w.server("pinging");
    const proxy = await w.proxy(server);
    const { client, ear } = await w.connect({ server: proxy, maxServerPingDelay: 100, timeout: 1000 });
    const group = w.group("hist");
    const sub = await w.subscribe(client, group);
    await w.publish(group, 1, {}, server);
    await sub.ear.next("publication");
    await ear.next("connecting");
    await proxy.now("stall");
    same((await ear.next("connecting")).code, 2, "the client's code for no ping");
    await w.publish(group, 2, {}, server);
    await proxy.now("flow");
    await ear.next("connected");
    same(await sub.ear.data(2), [1, 2]);
  },

  "a client whose pongs do not come is sent away with 3012, and comes back": async (w) => {
    const server = await w.own_server({ options: ["--client-ping-interval", "300ms", "--client-pong-timeout", "200ms"] });
    const proxy = await w.proxy(server);
    const { ear } = await w.connect({ server: proxy, timeout: 1000 });
    await ear.next("connecting");
    await proxy.now("stall_up");
    same((await ear.next("connecting")).code, 3012);
    await proxy.now("flow");
    await ear.next("connected");
  },

  "a connection that is cut comes back": async (w) => {
    const proxy = await w.proxy(await w.server());
    const { ear, id } = await w.connect({ server: proxy });
    await ear.next("connecting");
    await proxy.now("cut");
    same((await ear.next("connecting")).code, 1);
    ok((await ear.next("connected")).client !== id, "a new id");
  },
};
