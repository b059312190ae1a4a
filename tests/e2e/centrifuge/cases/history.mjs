// What a stream keeps, and what a client gets that was away.
import { eventually, numbers, ok, refused, same } from "../kit.mjs";

const data = (publications) => publications.map((each) => each.data);
const offsets = (publications) => publications.map((each) => each.offset);

// A client behind a proxy, subscribed, that has heard the first publication and then loses its connection.
async function lost(w, group, { server, subscription } = {}) {
  const proxy = await w.proxy(server ?? await w.server());
  const { client, ear: client_ear } = await w.connect({ server: proxy });
  const { sub, ear } = await w.subscribe(client, group, subscription);
  await w.publish(group, 0, {}, server);
  await ear.next("publication");
  await proxy.now("refuse");
  await ear.next("subscribing", (why) => why.code === 1);
  return { proxy, client, client_ear, sub, ear };
}

export default {
  "history is paged forwards": async (w) => {
    const group = w.group("hist");
    await w.publish_numbers(group, numbers(1, 7));
    const { client } = await w.connect();
    const first = await client.history(group, { limit: 3 });
    same([data(first.publications), offsets(first.publications), first.offset], [[1, 2, 3], [1, 2, 3], 7]);
    const second = await client.history(group, { limit: 3, since: { offset: 3, epoch: first.epoch } });
    same(data(second.publications), [4, 5, 6]);
    const third = await client.history(group, { limit: 3, since: { offset: 6, epoch: first.epoch } });
    same([data(third.publications), third.epoch], [[7], first.epoch]);
    const end = await client.history(group, { limit: 3, since: { offset: 7, epoch: first.epoch } });
    same(end.publications, []);
  },

  "history is paged backwards": async (w) => {
    const group = w.group("hist");
    await w.publish_numbers(group, numbers(1, 7));
    const { client } = await w.connect();
    const first = await client.history(group, { limit: 3, reverse: true });
    same(data(first.publications), [7, 6, 5]);
    const second = await client.history(group, { limit: 10, reverse: true, since: { offset: 5, epoch: first.epoch } });
    same(data(second.publications), [4, 3, 2, 1]);
  },

  "history without a limit is the position": async (w) => {
    const group = w.group("hist");
    const { client } = await w.connect();
    const empty = await client.history(group);
    same([empty.publications, empty.offset], [[], 0]);
    const { epoch } = await w.publish(group, 1);
    same(await client.history(group), { publications: [], epoch, offset: 1 });
    same(await client.history(group, { limit: 0 }), { publications: [], epoch, offset: 1 });
  },

  "a client gets at most 300 publications at once": async (w) => {
    const group = w.group("hist");
    for (const from of [0, 100, 200, 300])
      await w.api("batch", { commands: numbers(from, 100).map((n) => ({ publish: { channel: group, data: n } })) });
    const { client } = await w.connect();
    for (const limit of [300, 1000, -1]) same(data((await client.history(group, { limit })).publications), numbers(0, 300));
    same(data((await w.api("history", { channel: group, limit: -1 })).publications), numbers(0, 400));
  },

  "history since another epoch is 112": async (w) => {
    const group = w.group("hist");
    await w.publish(group, 1);
    const { client } = await w.connect();
    await refused(client.history(group, { limit: 5, since: { offset: 1, epoch: "other" } }), 112);
  },

  "history that is off is 108, that is not for clients 103": async (w) => {
    const { client } = await w.connect();
    await refused(client.history(w.group("plain"), { limit: 1 }), 108);
    await refused(client.history(w.group("mute"), { limit: 1 }), 103);
    await refused(client.history(w.group("nowhere"), { limit: 1 }), 102);
  },

  "no more is kept than the namespace says, and not for longer": async (w) => {
    const { client } = await w.connect();
    const small = w.group("small");
    await w.publish_numbers(small, numbers(1, 12));
    const page = await client.history(small, { limit: 100 });
    same([data(page.publications), page.offset], [numbers(8, 5), 12]);
    const brief = w.group("brief");
    await w.publish(brief, "soon forgotten");
    const { offset } = await eventually(() => client.history(brief, { limit: 100 }), (got) => !got.publications.length, "history of 1 s");
    same(offset, 1);
  },

  "history removed keeps epoch and offset": async (w) => {
    const group = w.group("hist");
    const { epoch } = await w.publish(group, 1);
    await w.publish(group, 2);
    await w.api("history_remove", { channel: group });
    const { client } = await w.connect();
    same(await client.history(group, { limit: 10 }), { publications: [], epoch, offset: 2 });
    same(await w.publish(group, 3), { epoch, offset: 3 });
  },

  "the API and a client see the same history": async (w) => {
    const group = w.group("hist");
    const { client, id } = await w.connect();
    await client.publish(group, { by: "client" });
    await w.publish(group, { by: "server" }, { tags: { a: "b" } });
    const mine = await client.history(group, { limit: 10 });
    same(mine.publications, [{ channel: group, data: { by: "client" }, offset: 1, info: { client: id, user: "" } },
                             { channel: group, data: { by: "server" }, offset: 2, tags: { a: "b" } }]);
    const theirs = await w.api("history", { channel: group, limit: 10 });
    same([data(theirs.publications), theirs.epoch, theirs.offset], [[{ by: "client" }, { by: "server" }], mine.epoch, 2]);
  },

  "who was away gets what it missed, in order and once": async (w) => {
    const group = w.group("hist");
    const { proxy, ear } = await lost(w, group);
    await w.publish_numbers(group, numbers(1, 20));
    await proxy.now("flow");
    const back = await ear.next("subscribed");
    same([back.wasRecovering, back.recovered, back.hasRecoveredPublications, back.recoverable, back.positioned], [true, true, true, true, true]);
    await w.publish(group, 21);
    same(await ear.data(22), numbers(0, 22));
    same(offsets(ear.of("publication")), numbers(1, 22));
  },

  "who missed nothing is told so": async (w) => {
    const group = w.group("hist");
    const { proxy, ear } = await lost(w, group);
    await proxy.now("flow");
    const back = await ear.next("subscribed");
    same([back.wasRecovering, back.recovered, back.hasRecoveredPublications], [true, true, false]);
    await w.publish(group, 1);
    same(await ear.data(2), [0, 1]);
  },

  "recovery while the group goes on loses and repeats nothing": async (w) => {
    const group = w.group("hist");
    const { proxy, ear } = await lost(w, group);
    const all = w.publish_numbers(group, numbers(1, 150));
    for (let i = 0; i < 4; i += 1) {
      await proxy.now("flow");
      await ear.next("subscribed");
      await proxy.now("cut");
    }
    await all;
    same(await ear.data(151), numbers(0, 151));
    ok(ear.of("subscribed").every((each, i) => i === 0 || each.recovered), "a recovery failed");
  },

  "who missed more than is kept is told that it cannot recover": async (w) => {
    const group = w.group("small");
    const { proxy, ear } = await lost(w, group);
    await w.publish_numbers(group, numbers(1, 10));
    await proxy.now("flow");
    const back = await ear.next("subscribed");
    same([back.wasRecovering, back.recovered, back.streamPosition.offset], [true, false, 11]);
    await w.publish(group, "on we go");
    same(await ear.data(2), [0, "on we go"]);
  },

  "who missed removed history is told that it cannot recover": async (w) => {
    const group = w.group("hist");
    const { proxy, ear } = await lost(w, group);
    await w.publish_numbers(group, numbers(1, 3));
    await w.api("history_remove", { channel: group });
    await proxy.now("flow");
    const back = await ear.next("subscribed");
    same([back.wasRecovering, back.recovered], [true, false]);
    await w.publish(group, "on we go");
    same(await ear.data(2), [0, "on we go"]);
  },

  "who missed more than a recovery may give is told that it cannot recover": async (w) => {
    const group = w.group("hist");
    const { proxy, ear } = await lost(w, group);
    for (const from of [1, 101, 201, 301])
      await w.api("batch", { commands: numbers(from, 88).map((n) => ({ publish: { channel: group, data: n } })) });
    await proxy.now("flow");
    const back = await ear.next("subscribed");
    same([back.wasRecovering, back.recovered], [true, false]);
    await w.publish(group, "on we go");
    same(await ear.data(2), [0, "on we go"]);
  },

  "a new client takes up a position that it was given": async (w) => {
    const group = w.group("hist");
    const { epoch } = await w.publish(group, 1);
    await w.publish_numbers(group, numbers(2, 4));
    const { client } = await w.connect();
    const { ear, context } = await w.subscribe(client, group, { since: { offset: 2, epoch } });
    same([context.wasRecovering, context.recovered], [true, true]);
    await w.publish(group, 6);
    same(await ear.data(4), [3, 4, 5, 6]);
  },

  "a position of another epoch is not recovered": async (w) => {
    const group = w.group("hist");
    await w.publish_numbers(group, numbers(1, 3));
    const { client } = await w.connect();
    const { context, ear } = await w.subscribe(client, group, { since: { offset: 1, epoch: "other" } });
    same([context.wasRecovering, context.recovered, context.streamPosition.offset], [true, false, 3]);
    await w.publish(group, "now");
    same(await ear.data(1), ["now"]);
  },

  "a position ahead of the stream is not recovered": async (w) => {
    const group = w.group("hist");
    const { epoch } = await w.publish(group, 1);
    const { client } = await w.connect();
    const { context } = await w.subscribe(client, group, { since: { offset: 1000, epoch } });
    same([context.wasRecovering, context.recovered, context.streamPosition], [true, false, { offset: 1, epoch }]);
  },

  "a positioned group tells its position and does not recover": async (w) => {
    const group = w.group("placed");
    const { epoch } = await w.publish(group, 1);
    const { client } = await w.connect();
    const { context, ear } = await w.subscribe(client, group, { since: { offset: 0, epoch } });
    same([context.positioned, context.recoverable, context.recovered, context.streamPosition], [true, false, false, { offset: 1, epoch }]);
    await w.publish(group, 2);
    same((await ear.next("publication")).offset, 2);
  },

  "a group without history has no position": async (w) => {
    const { client } = await w.connect();
    const { context } = await w.subscribe(client, w.group("plain"), { positioned: true, recoverable: true });
    same([context.positioned, context.recoverable, "streamPosition" in context], [false, false, false]);
  },

  "a cached group gives the latest, whatever was missed": async (w) => {
    const group = w.group("cached");
    await w.publish_numbers(group, numbers(1, 30));
    const { client } = await w.connect();
    const { context, ear } = await w.subscribe(client, group, { since: { offset: 0, epoch: "" } });
    same([context.wasRecovering, context.recovered], [true, true]);
    await w.publish(group, 31);
    same(await ear.data(2), [30, 31]);
  },

  "a cached group gives who was away the latest only": async (w) => {
    const group = w.group("cached");
    const { proxy, ear } = await lost(w, group);
    await w.publish_numbers(group, numbers(1, 15));
    await proxy.now("flow");
    same((await ear.next("subscribed")).recovered, true);
    await w.publish(group, 16);
    same(await ear.data(3), [0, 15, 16]);
  },

  "after kill -9 a client gets what it missed, in order and once": async (w) => {
    for (const namespace of ["hist", "synced"]) {
      const server = await w.own_server();
      const group = w.group(namespace);
      const { proxy, ear } = await lost(w, group, { server });
      await w.publish_numbers(group, numbers(1, 10), server);
      await w.host("kill", server.id);
      await w.host("start_again", server.id);
      await w.publish_numbers(group, numbers(11, 10), server);
      await proxy.now("flow");
      const back = await ear.next("subscribed");
      same([back.wasRecovering, back.recovered], [true, true], namespace);
      await w.publish(group, 21, {}, server);
      same(await ear.data(22), numbers(0, 22), namespace);
      same(offsets(ear.of("publication")), numbers(1, 22), namespace);
    }
  },

  "clients that kill -9 cut off come back by themselves": async (w) => {
    const server = await w.own_server();
    const group = w.group("synced");
    const clients = [await w.connect({ server }), await w.connect({ server })];
    const subs = [];
    for (const { client } of clients) subs.push(await w.subscribe(client, group));
    await w.publish_numbers(group, numbers(0, 5), server);
    for (const { ear } of subs) await ear.data(5);
    await w.host("kill", server.id);
    for (const { ear } of subs) await ear.next("subscribing", (why) => why.code === 1);
    await w.host("start_again", server.id);
    await w.publish_numbers(group, numbers(5, 5), server);
    for (const { ear } of subs) {
      await ear.next("subscribed");
      await ear.next("subscribed");
    }
    await w.publish(group, 10, {}, server);
    for (const { ear } of subs) {
      same(await ear.data(11), numbers(0, 11));
      same(ear.of("subscribed").map((each) => each.recovered), [false, true]);
    }
  },

  "after kill -9 the dead are gone from presence, and their leaves are told": async (w) => {
    const server = await w.own_server({ options: ["--presence-grace", "100ms"] });
    const group = w.group("room");
    const { client, id } = await w.connect({ server });
    await w.subscribe(client, group);
    await w.host("kill", server.id);
    client.disconnect();
    await w.host("start_again", server.id);
    const other = await w.connect({ server });
    await w.subscribe(other.client, group);
    const { presence } = await eventually(() => w.api("presence", { channel: group }, server),
                                          (got) => !(id in got.presence), "presence after a crash");
    same(Object.keys(presence), [other.id]);
    same(await w.api("presence_stats", { channel: group }, server), { num_clients: 1, num_users: 1 });
  },

  "history survives a stop and a start": async (w) => {
    const server = await w.own_server();
    const group = w.group("hist");
    const { epoch } = await w.publish(group, 1, { tags: { a: "b" } }, server);
    same(await w.host("kill", server.id, "SIGTERM"), 0, "the exit code");
    await w.host("start_again", server.id);
    const { client } = await w.connect({ server });
    same(await client.history(group, { limit: 10 }), { epoch, offset: 1, publications: [{ channel: group, data: 1, offset: 1, tags: { a: "b" } }] });
    same(await w.publish(group, 2, {}, server), { epoch, offset: 2 });
  },
};
