// Subscriptions that the server makes, by tokens and by the API.
import { eventually, numbers, ok, same } from "../kit.mjs";

const on = (group) => (each) => each.channel === group;

export default {
  "a token's channels are subscribed on connecting": async (w) => {
    const [one, two] = [w.group("plain"), w.group("plain")];
    const { ear } = await w.connect({ token: await w.token({ sub: "somebody", channels: [one, two] }) });
    await ear.next("subscribed", on(one));
    await ear.next("subscribed", on(two));
    await w.publish(one, 1);
    await w.publish(two, 2);
    same(await ear.next("publication", on(one)), { channel: one, data: 1 });
    same(await ear.next("publication", on(two)), { channel: two, data: 2 });
  },

  "a token's subs bring data, info and what the namespace does not": async (w) => {
    const group = w.group("plain");
    const user = w.name("user");
    const subs = { [group]: { data: { hello: 1 }, info: { role: "guest" }, override: { presence: { value: true } } } };
    const { ear, id } = await w.connect({ token: await w.token({ sub: user, subs }) });
    same((await ear.next("subscribed", on(group))).data, { hello: 1 });
    const group2 = w.group("room");
    const second = await w.connect({ token: await w.token({ sub: user, subs: { [group2]: { info: { role: "guest" } } } }) });
    await second.ear.next("subscribed");
    const { presence } = await w.api("presence", { channel: group2 });
    same([presence[second.id].user, presence[second.id].chan_info], [user, { role: "guest" }]);
    ok(id !== second.id, "ids");
  },

  "a token for an unknown namespace does not let in": async (w) => {
    same((await w.turned_away({ token: await w.token({ sub: "somebody", channels: [w.group("nowhere")] }) })).code, 102);
  },

  "a token may subscribe where nobody may by himself": async (w) => {
    const group = w.group("private");
    const { ear } = await w.connect({ token: await w.token({ sub: "somebody", channels: [group] }) });
    await ear.next("subscribed", on(group));
    await w.publish(group, "secret");
    await ear.next("publication", on(group));
  },

  "the API subscribes a user's connections, and unsubscribes them": async (w) => {
    const group = w.group("plain");
    const user = w.name("user");
    const { ear } = await w.connect({ token: await w.token({ sub: user }) });
    await w.api("subscribe", { user, channel: group, data: { hi: 1 } });
    same((await ear.next("subscribed", on(group))).data, { hi: 1 });
    await w.publish(group, "hello");
    same(await ear.next("publication"), { channel: group, data: "hello" });
    await w.api("unsubscribe", { user, channel: group });
    same(await ear.next("unsubscribed"), { channel: group });
    same((await w.api("channels", { pattern: group })).channels, {});
  },

  "the API subscribes one connection only when told its id": async (w) => {
    const group = w.group("plain");
    const user = w.name("user");
    const token = await w.token({ sub: user });
    const one = await w.connect({ token });
    await w.connect({ token });
    await w.api("subscribe", { user, channel: group, client: one.id });
    await one.ear.next("subscribed", on(group));
    same((await w.api("channels", { pattern: group })).channels, { [group]: { num_clients: 1 } });
  },

  "joins and leaves of a group that the server subscribed are told": async (w) => {
    const group = w.group("room");
    const { ear } = await w.connect({ token: await w.token({ sub: "somebody", channels: [group] }) });
    await ear.next("subscribed", on(group));
    const two = await w.connect();
    await w.subscribe(two.client, group);
    same((await ear.next("join", (each) => each.info.client === two.id)).channel, group);
    two.client.disconnect();
    same((await ear.next("leave")).info.client, two.id);
  },

  "a server-side subscription recovers what it missed": async (w) => {
    const group = w.group("hist");
    const proxy = await w.proxy(await w.server());
    const { ear } = await w.connect({ server: proxy, token: await w.token({ sub: "somebody", channels: [group] }) });
    same((await ear.next("subscribed", on(group))).recoverable, true);
    await w.publish(group, 0);
    await ear.next("publication");
    await proxy.now("refuse");
    await ear.next("subscribing", on(group));
    await w.publish_numbers(group, numbers(1, 9));
    await proxy.now("flow");
    const back = await ear.next("subscribed", on(group));
    same([back.wasRecovering, back.recovered], [true, true]);
    await w.publish(group, 10);
    same(await ear.data(11), numbers(0, 11));
  },

  "a server-side subscription that cannot recover is told so": async (w) => {
    const group = w.group("small");
    const proxy = await w.proxy(await w.server());
    const { ear } = await w.connect({ server: proxy, token: await w.token({ sub: "somebody", channels: [group] }) });
    await w.publish(group, 0);
    await ear.next("publication");
    await ear.next("subscribed", on(group));
    await proxy.now("refuse");
    await ear.next("subscribing", on(group));
    await w.publish_numbers(group, numbers(1, 9));
    await proxy.now("flow");
    const back = await ear.next("subscribed", on(group));
    same([back.wasRecovering, back.recovered], [true, false]);
    await w.publish(group, 10);
    same(await ear.data(2), [0, 10]);
  },

  "a subscription of the API takes up a position": async (w) => {
    const group = w.group("hist");
    const user = w.name("user");
    const { epoch } = await w.publish(group, 1);
    await w.publish_numbers(group, numbers(2, 3));
    const { ear } = await w.connect({ token: await w.token({ sub: user }) });
    await w.api("subscribe", { user, channel: group, recover_since: { offset: 2, epoch } });
    await ear.next("subscribed", on(group));
    await w.publish(group, 5);
    same(await ear.data(3), [3, 4, 5]);
  },

  "a subscription that a fresh token no longer names is gone after reconnecting": async (w) => {
    const group = w.group("plain");
    const user = w.name("user");
    const { client, ear } = await w.connect({ token: await w.token({ sub: user, channels: [group] }) });
    await ear.next("subscribed", on(group));
    client.setToken(await w.token({ sub: user }));
    await w.api("disconnect", { user, disconnect: { code: 4000, reason: "again" } });
    same(await ear.next("unsubscribed"), { channel: group });
    await eventually(() => w.api("channels", { pattern: group }), (got) => !got.channels[group], "the group");
  },
};
