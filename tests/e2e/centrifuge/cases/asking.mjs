// What the user's own backend decides: connect, refresh, subscribe, publish and rpc proxies.
import { eventually, ok, refused, same } from "../kit.mjs";

const asking = (w) => w.server("asking");

export default {
  "the backend is told who connects how, and says who that is": async (w) => {
    const user = w.name("user");
    const group = w.group("room");
    const answer = { result: { user, info: { via: "backend" }, data: { welcome: "마당" }, channels: [group] } };
    const { ear, id, data } = await w.connect({ server: await asking(w), data: { answer, mark: user }, name: "suite", version: "1.2.3" });
    same(data, { welcome: "마당" });
    await ear.next("subscribed", (each) => each.channel === group);
    const { presence } = await w.api("presence", { channel: group }, await asking(w));
    same([presence[id].user, presence[id].conn_info], [user, { via: "backend" }]);
    const [{ question }] = await w.host("asked", "connect", user);
    same([question.client, question.transport, question.protocol, question.encoding, question.name, question.version, question.data.mark],
         [id, w.transport, "json", "json", "suite", "1.2.3", user]);
  },

  "headers that a client emulates reach the backend": async (w) => {
    const mark = w.name("mark");
    await w.connect({ server: await asking(w), headers: { Authorization: "Bearer x", "X-Other": "y" }, data: { mark } });
    const [{ headers }] = await w.host("asked", "connect", mark);
    same([headers.authorization, headers["x-other"] ?? null], ["Bearer x", null]);
  },

  "the backend refuses a connection for good, by an error and by a disconnect": async (w) => {
    const server = await asking(w);
    same((await w.turned_away({ server, data: { answer: { error: { code: 1001, message: "not you" } } } })).code, 1001);
    const why = await w.turned_away({ server, data: { answer: { disconnect: { code: 4501, reason: "go away" } } } });
    same([why.code, why.reason], [4501, "go away"]);
  },

  "the backend sends a connection away to come back": async (w) => {
    const { client, ear } = await w.client({ server: await asking(w), data: { answer: { disconnect: { code: 4001, reason: "later" } } } });
    client.connect();
    await eventually(async () => ear.of("error").length + ear.of("connecting").length, (seen) => seen > 1, "attempts");
    client.setData({});
    await ear.next("connected");
  },

  "a token makes the backend's word needless": async (w) => {
    const user = w.name("user");
    await w.connect({ server: await asking(w), token: await w.token({ sub: user }), data: { mark: user } });
    same(await w.host("asked", "connect", user), []);
  },

  "the backend prolongs a connection that it let in": async (w) => {
    const user = w.name("user");
    await w.host("will_answer", "refresh", user, { result: { expire_in: 3600 } });
    const { client, ear } = await w.connect({ server: await asking(w), data: { answer: { result: { user, expire_in: 3 } } } });
    await eventually(() => w.host("asked", "refresh", user), (got) => got.length === 1, "questions");
    await client.rpc("any", {});
    same(ear.of("connecting").length, 1);
  },

  "a connection that the backend does not prolong ends with 3005": async (w) => {
    const user = w.name("user");
    await w.host("will_answer", "refresh", user, { result: { expired: true } });
    const { client, ear } = await w.connect({ server: await asking(w), data: { answer: { result: { user, expire_in: 3 } } } });
    client.setData({});
    await ear.next("connecting");
    same((await ear.next("connecting")).code, 3005);
    await ear.next("connected");
  },

  "the backend lets in to a group, with info and data": async (w) => {
    const group = w.group("asked");
    const { client, id } = await w.connect({ server: await asking(w) });
    const answer = { result: { info: { seat: 7 }, data: { topic: "마당" } } };
    const { context, sub } = await w.subscribe(client, group, { data: { answer, mark: group } });
    same(context.data, { topic: "마당" });
    same((await sub.presence()).clients[id].chanInfo, { seat: 7 });
    const [{ question }] = await w.host("asked", "subscribe", group);
    same([question.client, question.channel, question.data.mark], [id, group, group]);
  },

  "the backend refuses a subscription by a code of its own": async (w) => {
    const { client, ear } = await w.connect({ server: await asking(w) });
    same(await w.refusal(client, w.group("asked"), { data: { answer: { error: { code: 1002, message: "full" } } } }), 1002);
    same(await w.refusal(client, w.group("asked"), { data: { answer: { error: { code: 103, message: "permission denied" } } } }), 103);
    const { sub } = w.subscription(client, w.group("asked"), { data: { answer: { disconnect: { code: 4502, reason: "out" } } } });
    sub.subscribe();
    same(await ear.next("disconnected"), { code: 4502, reason: "out" });
  },

  "the backend changes what is published, and refuses it": async (w) => {
    const group = w.group("asked");
    const { client } = await w.connect({ server: await asking(w) });
    const { sub, ear } = await w.subscribe(client, group);
    await sub.publish({ answer: { result: { data: { clean: true } } } });
    await sub.publish({ plain: true });
    same(await ear.data(2), [{ clean: true }, { plain: true }]);
    await refused(sub.publish({ answer: { error: { code: 1003, message: "rude" } } }), 1003);
  },

  "the backend answers calls": async (w) => {
    const { client, id } = await w.connect({ server: await asking(w) });
    const mark = w.name("mark");
    same(await client.rpc("add", { answer: { result: { data: { sum: 3 } } }, mark }), { data: { sum: 3 } });
    const [{ question }] = await w.host("asked", "rpc", mark);
    same([question.method, question.client, question.transport, question.data.mark], ["add", id, w.transport, mark]);
    const error = await refused(client.rpc("add", { answer: { error: { code: 1004, message: "too much" } } }), 1004);
    same(error.message, "too much");
  },

  "calls in a batch are answered each by itself": async (w) => {
    const { client } = await w.connect({ server: await asking(w) });
    client.startBatching();
    const answers = [1, 2, 3].map((n) => client.rpc("n", { answer: { result: { data: n } } }));
    client.stopBatching();
    same((await Promise.all(answers)).map((each) => each.data), [1, 2, 3]);
  },

  "a backend that answers nonsense is 100, and the connection goes on": async (w) => {
    const { client } = await w.connect({ server: await asking(w) });
    const error = await refused(client.rpc("x", { answer: "nonsense" }), 100);
    ok(error.temporary, "it is temporary");
    same(await client.rpc("x", { answer: { result: { data: 1 } } }), { data: 1 });
  },

  "a backend that is gone is 100": async (w) => {
    const server = await w.own_server({ options: ["--proxy-rpc", "http://127.0.0.1:9/rpc"] });
    const { client } = await w.connect({ server });
    await refused(client.rpc("x", {}), 100);
  },

  "the backend prolongs a subscription that it let in": async (w) => {
    const user = w.name("user");
    const group = w.group("asked");
    await w.host("will_answer", "sub_refresh", user, { result: { expire_in: 3600, info: { seat: 9 } } });
    const { client, id } = await w.connect({ server: await asking(w), data: { answer: { result: { user } } } });
    const { sub, ear } = await w.subscribe(client, group, { data: { answer: { result: { expire_in: 3, info: { seat: 7 } } } } });
    const [{ question }] = await eventually(() => w.host("asked", "sub_refresh", user), (got) => got.length === 1, "questions");
    same([question.client, question.user, question.channel, question.transport], [id, user, group, w.transport]);
    await sub.publish("still here");
    same([await ear.data(1), ear.of("subscribing").length, ear.of("unsubscribed").length], [["still here"], 1, 0]);
    same(ear.of("publication")[0].info.chanInfo, { seat: 9 });
  },

  "a subscription that the backend ends is told 2501": async (w) => {
    const user = w.name("user");
    const group = w.group("asked");
    await w.host("will_answer", "sub_refresh", user, { result: { expired: true } });
    const { client } = await w.connect({ server: await asking(w), data: { answer: { result: { user } } } });
    let times = 0;
    const { ear } = await w.subscribe(client, group, { getData: async () => {
      times += 1;
      return times === 1 ? { answer: { result: { expire_in: 3 } } } : {};
    } });
    await ear.next("subscribing");
    same((await ear.next("subscribing")).code, 2501);
    await ear.next("subscribed");
  },
};
