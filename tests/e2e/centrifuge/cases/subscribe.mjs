// Client-side subscriptions, publications, presence.
import { eventually, numbers, ok, refused, same } from "../kit.mjs";

export default {
  "what the API publishes reaches a subscriber, with its tags": async (w) => {
    const { client } = await w.connect();
    const group = w.group("plain");
    const { ear } = await w.subscribe(client, group);
    await w.publish(group, { text: "hello" }, { tags: { lang: "ko", n: "1" } });
    same(await ear.next("publication"), { channel: group, data: { text: "hello" }, tags: { lang: "ko", n: "1" } });
  },

  "unsubscribed is unsubscribed, and subscribing again works": async (w) => {
    const { client } = await w.connect();
    const group = w.group("plain");
    const { sub, ear } = await w.subscribe(client, group);
    const other = await w.subscribe(client, w.group("plain"));
    sub.unsubscribe();
    same((await ear.next("unsubscribed")).code, 0);
    await client.publish(group, "to nobody");
    await w.publish(other.sub.channel, "marker");
    await other.ear.next("publication");
    sub.subscribe();
    await ear.next("subscribed");
    await w.publish(group, "again");
    same(await ear.data(1), ["again"]);
  },

  "many subscriptions in one go get what is theirs and nothing else": async (w) => {
    const { client } = await w.connect();
    const all = numbers(0, 30).map(() => w.subscription(client, w.group("plain")));
    for (const each of all) each.sub.subscribe();
    for (const each of all) await each.ear.next("subscribed");
    await w.api("broadcast", { channels: all.map((each) => each.sub.channel), data: "for all" });
    for (const each of all) {
      await w.publish(each.sub.channel, each.sub.channel);
      same(await each.ear.data(2), ["for all", each.sub.channel]);
    }
  },

  "subscribing before connecting waits for it": async (w) => {
    const { client } = await w.client();
    const { sub, ear } = w.subscription(client, w.group("plain"));
    sub.subscribe();
    client.connect();
    await ear.next("subscribed");
  },

  "a namespace that nobody set is 102": async (w) => {
    const { client } = await w.connect();
    same(await w.refusal(client, w.group("nowhere")), 102);
  },

  "a subscription with deltas is 108, and nothing else ends with it": async (w) => {
    const { client } = await w.connect();
    const group = w.group("plain");
    const { ear } = await w.subscribe(client, group);
    const asks = w.subscription(client, w.group("plain"), { delta: "fossil" });
    asks.sub.subscribe();
    same((await asks.ear.next("unsubscribed")).code, 108);
    await w.publish(group, "goes on");
    same(await ear.data(1), ["goes on"]);
    same(client.state, "connected");
    const plain = await w.subscribe(client, asks.sub.channel + "-whole");
    await w.publish(plain.sub.channel, "as a whole");
    same(await plain.ear.data(1), ["as a whole"]);
  },

  "a namespace for nobody is 103, and so is one for users to an anonymous client": async (w) => {
    const { client } = await w.connect();
    same(await w.refusal(client, w.group("private")), 103);
    same(await w.refusal(client, w.name("without-namespace")), 103);
    const group = w.group("users");
    same(await w.refusal(client, group), 103);
    const user = await w.connect({ token: await w.token({ sub: "somebody" }) });
    await w.subscribe(user.client, group);
  },

  "what the server subscribed already is 105": async (w) => {
    const group = w.group("plain");
    const { client } = await w.connect({ token: await w.token({ sub: "somebody", channels: [group] }) });
    same(await w.refusal(client, group), 105);
  },

  "the 129th subscription is 106, the others go on": async (w) => {
    const { client } = await w.connect();
    const all = numbers(0, 128).map(() => w.subscription(client, w.group("plain")));
    for (const each of all) each.sub.subscribe();
    for (const each of all) await each.ear.next("subscribed");
    same(await w.refusal(client, w.group("plain")), 106);
    await w.publish(all[127].sub.channel, "still");
    await all[127].ear.next("publication");
    all[0].sub.unsubscribe();
    await all[0].ear.next("unsubscribed");
    // Emulated transports send each command in a request of its own: the next may overtake the unsubscribe.
    for (let code = 106; code === 106; ) {
      code = await w.subscribe(client, w.group("plain")).then(() => 0, (why) => (/: 106 /.test(why.message) ? 106 : why));
      if (code) same(code, 106);
    }
  },

  "names too long or not of ASCII are 107": async (w) => {
    const { client } = await w.connect();
    same(await w.refusal(client, `plain:${"x".repeat(250)}`), 107);
    same(await w.refusal(client, "plain:마당"), 107);
    same(await w.refusal(client, "plain:a b"), 107);
    await w.subscribe(client, w.group("plain").padEnd(255, "x"));
  },

  "a client publishes, and all know who it was": async (w) => {
    const group = w.group("plain");
    const user = w.name("user");
    const one = await w.connect({ token: await w.token({ sub: user, info: { n: 1 } }) });
    const two = await w.connect();
    const mine = await w.subscribe(one.client, group);
    const { ear } = await w.subscribe(two.client, group);
    await mine.sub.publish({ text: "hi" });
    for (const each of [mine.ear, ear])
      same(await each.next("publication"), { channel: group, data: { text: "hi" }, info: { client: one.id, user, connInfo: { n: 1 } } });
  },

  "who may not publish is 103: for subscribers only, and for nobody": async (w) => {
    const { client } = await w.connect();
    const group = w.group("subs");
    await refused(client.publish(group, 1), 103);
    const { sub } = await w.subscribe(client, group);
    await sub.publish(1);
    await refused(client.publish(w.group("mute"), 1), 103);
    await refused(client.publish(w.group("nowhere"), 1), 102);
  },

  "publications come in the order of their answers": async (w) => {
    const { client } = await w.connect();
    const { sub, ear } = await w.subscribe(client, w.group("plain"));
    client.startBatching();
    const all = numbers(0, 200).map((n) => sub.publish(n));
    client.stopBatching();
    await Promise.all(all);
    same(await ear.data(200), numbers(0, 200));
  },

  "a batch of the API is published in its order": async (w) => {
    const { client } = await w.connect();
    const group = w.group("hist");
    const { ear } = await w.subscribe(client, group);
    const { replies } = await w.api("batch", { commands: numbers(0, 50).map((n) => ({ publish: { channel: group, data: n } })) });
    same(replies.map((each) => each.publish.offset), numbers(1, 50));
    same(await ear.data(50), numbers(0, 50));
    same(ear.of("publication").map((each) => each.offset), numbers(1, 50));
  },

  "a publication with a key is published once, whoever asks how often": async (w) => {
    const { client } = await w.connect();
    const group = w.group("hist");
    const { ear } = await w.subscribe(client, group);
    const first = await w.publish(group, "once", { idempotency_key: "k" });
    same(await w.publish(group, "twice", { idempotency_key: "k" }), first);
    await w.publish(group, "next");
    same(await ear.data(2), ["once", "next"]);
    same(ear.of("publication").map((each) => each.offset), [1, 2]);
  },

  "what skips history is live only": async (w) => {
    const { client } = await w.connect();
    const group = w.group("hist");
    const { ear } = await w.subscribe(client, group);
    await w.publish(group, "kept");
    await w.publish(group, "live", { skip_history: true });
    same(await ear.data(2), ["kept", "live"]);
    ok(!("offset" in ear.of("publication")[1]), "it has an offset");
    same((await client.history(group, { limit: 10 })).publications.map((each) => each.data), ["kept"]);
  },

  "text of every script, control characters and separators arrive as they were sent": async (w) => {
    const { client } = await w.connect();
    const { sub, ear } = await w.subscribe(client, w.group("hist"));
    const data = ["안녕 🍂👩‍👩‍👧", "\u2028\u2029\u0085\ufeff", "\u0000\u0001\u001f\u007f", "\n\r\t\\\"/</script>", "e\u0301 é", "𝄞",
                  { "키": { "": [null, true, false, 0, -0.5, 1e21, []] } }];
    for (const each of data) await sub.publish(each);
    same(await ear.data(data.length), data);
    same((await sub.history({ limit: 20 })).publications.map((each) => each.data), data);
  },

  "any JSON value is a publication": async (w) => {
    const { client } = await w.connect();
    const { sub, ear } = await w.subscribe(client, w.group("plain"));
    for (const each of [0, "", false, null, [], {}]) await sub.publish(each);
    same(await ear.data(6), [0, "", false, null, [], {}]);
  },

  "whole numbers up to 2^53 - 1 arrive whole": async (w) => {
    const { client } = await w.connect();
    const { sub, ear } = await w.subscribe(client, w.group("plain"));
    await sub.publish([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);
    same(await ear.data(1), [[9007199254740991, -9007199254740991]]);
  },

  "a message of 60 KiB passes both ways": async (w) => {
    const { client } = await w.connect();
    const { sub, ear } = await w.subscribe(client, w.group("plain"));
    const data = "가".repeat(20_000);
    await sub.publish(data);
    same(await ear.data(1), [data]);
  },

  "a message beyond the limit is refused": async (w) => {
    const { client, ear } = await w.connect({ timeout: 4000 });
    const group = w.group("plain");
    const failed = client.publish(group, "x".repeat(70_000)).then(() => "published", (why) => why.code);
    if (w.transport === "websocket") {
      same((await ear.next("disconnected")).code, 3, "the client's code for 1009");
      same(await failed, 11);
    } else {
      same(await failed, 1, "413 leaves the command without an answer");
      await client.publish(group, "small");
    }
  },

  "the API publishes more than a client may": async (w) => {
    const { client } = await w.connect();
    const group = w.group("plain");
    const { ear } = await w.subscribe(client, group);
    const data = "x".repeat(300_000);
    await w.publish(group, data);
    same((await ear.data(1))[0].length, data.length);
  },

  "presence tells who is there, with what is known of them": async (w) => {
    const group = w.group("room");
    const user = w.name("user");
    const one = await w.connect({ token: await w.token({ sub: user, info: { tab: 1 } }) });
    const two = await w.connect();
    await w.subscribe(one.client, group);
    await w.subscribe(two.client, group);
    const { clients } = await two.client.presence(group);
    same(clients, { [one.id]: { client: one.id, user, conn_info: { tab: 1 }, connInfo: { tab: 1 } }, [two.id]: { client: two.id, user: "" } });
    const { presence } = await w.api("presence", { channel: group });
    same(Object.keys(presence).sort(), [one.id, two.id].sort());
    same(presence[one.id].user, user);
  },

  "presence stats count a user's tabs as one user": async (w) => {
    const group = w.group("room");
    const token = await w.token({ sub: w.name("user") });
    const clients = [await w.connect({ token }), await w.connect({ token }), await w.connect()];
    for (const each of clients) await w.subscribe(each.client, group);
    same(await clients[0].client.presenceStats(group), { numClients: 3, numUsers: 2 });
    same(await w.api("presence_stats", { channel: group }), { num_clients: 3, num_users: 2 });
    clients[1].client.disconnect();
    const left = await eventually(() => clients[0].client.presenceStats(group), (got) => got.numClients === 2, "presence stats");
    same(left.numUsers, 2);
  },

  "presence that is off is 108, that is not for clients 103": async (w) => {
    const { client } = await w.connect();
    await refused(client.presence(w.group("plain")), 108);
    await refused(client.presenceStats(w.group("plain")), 108);
    await refused(client.presence(w.group("mute")), 103);
    await refused(client.presence(w.group("nowhere")), 102);
  },

  "joins and leaves are told to those who want them": async (w) => {
    const group = w.group("room");
    const one = await w.connect();
    const user = w.name("user");
    const two = await w.connect({ token: await w.token({ sub: user, info: "x" }) });
    const hears = await w.subscribe(one.client, group, { joinLeave: true });
    const deaf = await w.connect();
    const { ear } = await w.subscribe(deaf.client, group);
    same((await hears.ear.next("join", (each) => each.info.client === deaf.id)).channel, group);
    const { sub } = await w.subscribe(two.client, group);
    same((await hears.ear.next("join", (each) => each.info.client === two.id)).info, { client: two.id, user, connInfo: "x" });
    sub.unsubscribe();
    same((await hears.ear.next("leave")).info, { client: two.id, user, connInfo: "x" });
    await w.publish(group, "marker");
    await ear.next("publication");
    same([ear.of("join"), ear.of("leave")], [[], []]);
  },

  "the API lists groups with members": async (w) => {
    const { client } = await w.connect();
    const group = w.group("plain");
    await w.subscribe(client, group);
    same((await w.api("channels", { pattern: `${group}*` })).channels, { [group]: { num_clients: 1 } });
    same((await w.api("channels", { pattern: w.name("none") })).channels, {});
  },

  "a private group opens to a token for it": async (w) => {
    const group = w.group("private");
    const user = w.name("user");
    const { client, id } = await w.connect({ token: await w.token({ sub: user }) });
    same(await w.refusal(client, `${group}-other`), 103);
    const { sub, ear } = await w.subscribe(client, group, { token: await w.token({ sub: user, channel: group, info: { role: "guest" } }) });
    await sub.publish("hi");
    same((await ear.next("publication")).info, { client: id, user, chanInfo: { role: "guest" } });
    same((await sub.presence()).clients[id].chanInfo, { role: "guest" });
  },

  "a subscription's token may bring data for its client": async (w) => {
    const group = w.group("private");
    const { client } = await w.connect();
    const token = await w.token({ sub: "", channel: group, data: { hello: 1 } });
    same((await w.subscribe(client, group, { token })).context.data, { hello: 1 });
  },

  "a subscription's bad token is 103": async (w) => {
    const group = w.group("private");
    const { client } = await w.connect();
    const token = await w.host("token", { channel: group }, { key: "another-secret-that-is-just-as-long-as-it-should-be" });
    same(await w.refusal(client, group, { token }), 103);
  },

  "a token for another group ends the connection with 3500": async (w) => {
    const { client, ear } = await w.connect();
    const { sub } = w.subscription(client, w.group("private"), { token: await w.token({ channel: w.group("private") }) });
    sub.subscribe();
    same((await ear.next("disconnected")).code, 3500);
  },

  "a token for another user ends the connection with 3500": async (w) => {
    const { client, ear } = await w.connect({ token: await w.token({ sub: "one" }) });
    const group = w.group("private");
    const { sub } = w.subscription(client, group, { token: await w.token({ sub: "another", channel: group }) });
    sub.subscribe();
    same((await ear.next("disconnected")).code, 3500);
  },

  "a subscription's expired token is exchanged for a fresh one": async (w) => {
    const group = w.group("private");
    const { client } = await w.connect();
    let asked = 0;
    const { ear } = await w.subscribe(client, group, { token: await w.token({ channel: group }, -3600), getToken: () => {
      asked += 1;
      return w.token({ channel: group });
    } });
    same(asked, 1);
    same(ear.of("error").map((each) => each.error.code), [109]);
  },

  "a subscription's ttl makes the client refresh it while it goes on": async (w) => {
    const group = w.group("private");
    const { client } = await w.connect();
    let asked = 0;
    let third;
    const often = new Promise((done) => { third = done; });
    const { ear } = await w.subscribe(client, group, { getToken: () => {
      asked += 1;
      if (asked === 3) third();
      return w.token({ channel: group }, 2);
    } });
    await often;
    await w.publish(group, "still");
    await ear.next("publication");
    same([ear.of("subscribing").length, ear.of("unsubscribed")], [1, []]);
  },

  "a subscription that is not refreshed ends with 2501, and begins again": async (w) => {
    const server = await w.server("quick");
    const group = w.group("private");
    const { client, ear: client_ear } = await w.connect({ server });
    let asked = 0;
    const { ear } = await w.subscribe(client, group, { getToken: () => {
      asked += 1;
      return asked === 2 ? new Promise(() => {}) : w.token({ channel: group }, asked === 1 ? 2 : 3600);
    } });
    await ear.next("subscribing");
    same((await ear.next("subscribing")).code, 2501);
    await ear.next("subscribed");
    same(client_ear.of("connecting").length, 1);
  },

  "a group for some users lets them in and nobody else": async (w) => {
    const [one, two, three] = [w.name("u"), w.name("u"), w.name("u")];
    const group = `${w.group("own")}#${one},${two}`;
    for (const user of [one, two]) await w.subscribe((await w.connect({ token: await w.token({ sub: user }) })).client, group);
    same(await w.refusal((await w.connect({ token: await w.token({ sub: three }) })).client, group), 103);
    same(await w.refusal((await w.connect()).client, group), 103);
  },

  "the API unsubscribes a client for good (2000)": async (w) => {
    const group = w.group("plain");
    const user = w.name("user");
    const { client } = await w.connect({ token: await w.token({ sub: user }) });
    const { sub, ear } = await w.subscribe(client, group);
    await w.api("unsubscribe", { user, channel: group });
    same((await ear.next("unsubscribed")).code, 2000);
    same(sub.state, "unsubscribed");
    same((await w.api("channels", { pattern: group })).channels, {});
    sub.subscribe();
    await ear.next("subscribed");
  },
};
