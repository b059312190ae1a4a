// Connecting: who one is, what is told, how it ends.
import { eventually, ok, refused, same } from "../kit.mjs";

const never = () => new Promise(() => {});

export default {
  "an anonymous client is told its id and its transport": async (w) => {
    const { ear, id, client } = await w.connect();
    ok(/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id), `an id: ${id}`);
    same(ear.of("connected"), [{ client: id, transport: w.transport }]);
    same(client.state, "connected");
  },

  "two connections have different ids, and so has one after reconnecting": async (w) => {
    const one = await w.connect();
    const two = await w.connect();
    ok(one.id !== two.id, "the same id twice");
    one.client.disconnect();
    same((await one.ear.next("disconnected")).code, 0);
    one.client.connect();
    ok((await one.ear.next("connected")).client !== one.id, "the id was given again");
  },

  "a token says who somebody is and what others see of them": async (w) => {
    const user = w.name("user");
    const group = w.group("room");
    const { client, id } = await w.connect({ token: await w.token({ sub: user, info: { name: "마당" } }) });
    await w.subscribe(client, group);
    same((await client.presence(group)).clients[id], { client: id, user, conn_info: { name: "마당" }, connInfo: { name: "마당" } });
  },

  "tokens signed by HS384 and HS512 are as good": async (w) => {
    for (const alg of ["HS384", "HS512"]) {
      const user = w.name("user");
      const { client, id } = await w.connect({ token: await w.host("token", { sub: user }, { alg }) });
      const group = w.group("room");
      await w.subscribe(client, group);
      same((await client.presence(group)).clients[id].user, user);
    }
  },

  "who must have a token and has none is turned away for good": async (w) => {
    const server = await w.server("strangers_out");
    const why = await w.turned_away({ server });
    ok(why.code >= 3500 && why.code < 4000 || why.code === 101, `the code ${why.code}`);
    await w.connect({ server, token: await w.token({ sub: "somebody" }) });
  },

  "a token of another key is turned away with 3500": async (w) => {
    const token = await w.host("token", { sub: "eve" }, { key: "another-secret-that-is-just-as-long-as-it-should-be" });
    same((await w.turned_away({ token })).code, 3500);
  },

  "a token without a signature is turned away with 3500": async (w) => {
    const token = await w.host("token", { sub: "eve" }, { alg: "none" });
    same((await w.turned_away({ token })).code, 3500);
  },

  "what is no token at all is turned away with 3500": async (w) => {
    for (const token of ["x", "a.b.c", "마당"]) same((await w.turned_away({ token })).code, 3500, token);
  },

  "a subscription's token does not let in": async (w) => {
    same((await w.turned_away({ token: await w.token({ sub: "eve", channel: "private:x" }) })).code, 3500);
  },

  "an expired token is told as 109, and without a way to a fresh one that is the end": async (w) => {
    const why = await w.turned_away({ token: await w.token({ sub: "late" }, -3600) });
    same(why.code, 1);
    ok(why.errors.includes(109), `109 among ${why.errors}`);
  },

  "an expired token is exchanged for a fresh one, and the client gets in": async (w) => {
    let asked = 0;
    const { ear } = await w.connect({ token: await w.token({ sub: "late" }, -3600), getToken: () => {
      asked += 1;
      return w.token({ sub: "late" });
    } });
    same(asked, 1);
    same(ear.of("error").map((each) => each.error.code), [109]);
  },

  "getToken is asked before the first connect when there is no token": async (w) => {
    let asked = 0;
    const { ear } = await w.connect({ getToken: () => {
      asked += 1;
      return w.token({ sub: "early" });
    } });
    same(asked, 1);
    same(ear.of("error"), []);
  },

  "a token's ttl makes the client refresh, again and again, on one connection": async (w) => {
    const user = w.name("user");
    let asked = 0;
    let third;
    const often = new Promise((done) => { third = done; });
    const { client, ear } = await w.connect({ getToken: () => {
      asked += 1;
      if (asked === 3) third();
      return w.token({ sub: user }, 2);
    } });
    await often;
    await client.publish(w.group("plain"), "still here");
    same(ear.of("connecting").length, 1, "attempts to connect");
    same(ear.of("error"), []);
  },

  "who does not refresh is told 3005, and comes back with a fresh token": async (w) => {
    const server = await w.server("quick");
    let asked = 0;
    const { ear } = await w.connect({ server, getToken: async () => {
      asked += 1;
      return asked === 2 ? never() : w.token({ sub: "slow" }, asked === 1 ? 2 : 3600);
    } });
    await ear.next("connecting");
    const why = await ear.next("connecting");
    same(why.code, 3005, why.reason);
    await ear.next("connected");
  },

  "a refresh by another user's token ends the connection with 3500": async (w) => {
    let asked = 0;
    const { ear } = await w.connect({ getToken: () => {
      asked += 1;
      return asked === 1 ? w.token({ sub: "one" }, 2) : w.token({ sub: "another" });
    } });
    const why = await ear.next("disconnected");
    same(why.code, 3500, why.reason);
  },

  "a refresh by an expired token is told 3005, and the client comes back": async (w) => {
    let asked = 0;
    const { ear } = await w.connect({ getToken: () => {
      asked += 1;
      return w.token({ sub: "late" }, [2, -3600][asked - 1] ?? 3600);
    } });
    await ear.next("connecting");
    same((await ear.next("connecting")).code, 3005);
    await ear.next("connected");
  },

  "the API says that a connection's time is over: 3005, and it comes back": async (w) => {
    const user = w.name("user");
    const { ear } = await w.connect({ token: await w.token({ sub: user }) });
    await ear.next("connecting");
    await w.api("refresh", { user, expired: true });
    same((await ear.next("connecting")).code, 3005);
    await ear.next("connected");
  },

  "the API gives a connection another end, and it ends then": async (w) => {
    const server = await w.server("quick");
    const user = w.name("user");
    const { ear } = await w.connect({ server, token: await w.token({ sub: user }) });
    await ear.next("connecting");
    await w.api("refresh", { user, expire_at: Math.floor(Date.now() / 1000) + 1 }, server);
    same((await ear.next("connecting")).code, 3005);
    await ear.next("connected");
  },

  "a client that disconnects is gone from the groups at once": async (w) => {
    const group = w.group("room");
    const one = await w.connect();
    const two = await w.connect();
    await w.subscribe(one.client, group);
    const { ear } = await w.subscribe(two.client, group, { joinLeave: true });
    one.client.disconnect();
    same((await ear.next("leave")).info.client, one.id);
    same(Object.keys((await two.client.presence(group)).clients), [two.id]);
  },

  "the API disconnects a user, by default for good (3503)": async (w) => {
    const user = w.name("user");
    const { client, ear } = await w.connect({ token: await w.token({ sub: user }) });
    const other = await w.connect({ token: await w.token({ sub: w.name("user") }) });
    await w.api("disconnect", { user });
    const why = await ear.next("disconnected");
    same(why.code, 3503);
    ok(why.reason, "a reason");
    same(client.state, "disconnected");
    await other.client.publish(w.group("plain"), 1);
  },

  "the API disconnects with codes that reconnect": async (w) => {
    for (const code of [3011, 4000, 4499]) {
      const user = w.name("user");
      const { ear } = await w.connect({ token: await w.token({ sub: user }) });
      await ear.next("connecting");
      await w.api("disconnect", { user, disconnect: { code, reason: "come again" } });
      same(await ear.next("connecting"), { code, reason: "come again" });
      await ear.next("connected");
    }
  },

  "the API disconnects with codes that do not": async (w) => {
    for (const code of [3500, 4500, 4999]) {
      const user = w.name("user");
      const { ear } = await w.connect({ token: await w.token({ sub: user }) });
      await w.api("disconnect", { user, disconnect: { code, reason: "go away" } });
      same(await ear.next("disconnected"), { code, reason: "go away" });
      same(ear.of("connecting").length, 1);
    }
  },

  "the API disconnects one of a user's clients, and spares those that it is told to": async (w) => {
    const user = w.name("user");
    const token = await w.token({ sub: user });
    const clients = [await w.connect({ token }), await w.connect({ token }), await w.connect({ token })];
    await w.api("disconnect", { user, client: clients[0].id });
    await clients[0].ear.next("disconnected");
    await w.api("disconnect", { user, whitelist: [clients[2].id] });
    await clients[1].ear.next("disconnected");
    await clients[2].client.publish(w.group("plain"), "spared");
    same(clients.map((each) => each.client.state), ["disconnected", "disconnected", "connected"]);
  },

  "a server that stops sends its clients away to come back": async (w) => {
    const server = await w.own_server();
    const { ear } = await w.connect({ server });
    await ear.next("connecting");
    same(await w.host("kill", server.id, "SIGTERM"), 0, "the exit code");
    const why = await ear.next("connecting");
    ok(why.code === 3001 || why.code === 1, `the code ${why.code}`);
    await w.host("start_again", server.id);
    await ear.next("connected");
  },

  "a message without an answer does no harm": async (w) => {
    const { client, ear } = await w.connect();
    await client.send({ hello: "yard" });
    await client.publish(w.group("plain"), 1);
    same(ear.of("error"), []);
  },

  "commands before the connection wait for it": async (w) => {
    const { client } = await w.client();
    const group = w.group("hist");
    const published = client.publish(group, "first");
    client.connect();
    await published;
    same((await client.history(group, { limit: 10 })).publications.map((each) => each.data), ["first"]);
  },

  "commands collected by batching are all answered": async (w) => {
    const { client } = await w.connect();
    const group = w.group("hist");
    client.startBatching();
    const answers = [client.publish(group, 1), client.publish(group, 2), client.rpc("nowhere", {}).catch((why) => why.code),
                     client.presenceStats(w.group("room")), client.history(group, { limit: 5 })];
    client.stopBatching();
    const got = await Promise.all(answers);
    same(got.slice(0, 4), [{}, {}, 104, { numUsers: 0, numClients: 0 }]);
  },

  "an rpc that nobody answers is 104": async (w) => {
    const { client } = await w.connect();
    await refused(client.rpc("nobody.knows", { a: 1 }), 104);
  },

  "info tells of the clients": async (w) => {
    const server = await w.own_server();
    const user = w.name("user");
    const token = await w.token({ sub: user });
    const { client } = await w.connect({ server, token });
    await w.connect({ server, token });
    await w.subscribe(client, w.group("plain"));
    const of = (nodes) => nodes.find((each) => each.num_clients !== 0);
    const { nodes } = await eventually(() => w.api("info", {}, server), (got) => of(got.nodes)?.num_subs === 1, "info");
    const { num_clients, num_users, num_subs, num_channels } = of(nodes);
    same([num_clients, num_users, num_subs, num_channels], [2, 1, 1, 1]);
    same(nodes.filter((each) => each.num_clients !== 0).length, 1);
  },
};
