// A case's world: clients of one transport, and the host (a Node.js process, see host.mjs) for all that is not a client.
// In Node.js and in a page alike.
import { Ear, Unmet, within } from "./kit.mjs";

let made = 0;

export class World {
  // `host(what, ...arguments)` asks the host; `parts` are further options of every client; `run` makes names unique.
  constructor({ Centrifuge, transport, host, parts = {}, run }) {
    Object.assign(this, { Centrifuge, transport, host, parts, run, clients: [], things: [] });
  }

  // -- servers

  // A server that all cases share: "main", or one of host.mjs's `times`.
  server(name = "main") {
    return this.host("shared", name);
  }

  // One of the case's own: it may be killed.
  async own_server(options = {}) {
    const server = await this.host("own", options);
    this.things.push(["stop_thing", server.id]);
    return server;
  }

  // A TCP proxy before a server.
  async proxy(server) {
    const proxy = await this.host("proxy", server.id);
    this.things.push(["stop_thing", proxy.id]);
    return { ...proxy, now: (what) => this.host("proxy_now", proxy.id, what) };
  }

  async api(method, params = {}, server) {
    const said = await this.host("api", (server ?? await this.server()).id, method, params);
    if (said.error) throw said.error;
    return said.result;
  }

  publish(group, data, more = {}, server) {
    return this.api("publish", { channel: group, data, ...more }, server);
  }

  // One after the other: 0, 1, 2, …
  async publish_numbers(group, numbers, server) {
    for (const n of numbers) await this.publish(group, n, {}, server);
  }

  // Good for at least that long; 2 s are enough to connect with on a busy machine.
  token(claims = {}, seconds = 3600) {
    return this.host("token", { exp: Math.ceil(Date.now() / 1000) + seconds, ...claims });
  }

  // -- names

  name(of = "") {
    made += 1;
    return `${of}${this.run}-${made}`;
  }

  group(namespace) {
    return this.name(`${namespace}:`);
  }

  // -- clients

  async client({ server, ...options } = {}) {
    const { url } = server ?? await this.server();
    const endpoint = this.transport === "websocket"
      ? `${url.replace(/^http/, "ws")}/connection/websocket`
      : [{ transport: this.transport, endpoint: `${url}/connection/${this.transport}` }];
    const client = new this.Centrifuge(endpoint, { minReconnectDelay: 20, maxReconnectDelay: 200, emulationEndpoint: `${url}/emulation`,
                                                   ...this.parts, ...options });
    const ear = new Ear(client, "the client");
    this.clients.push(client);
    return { client, ear };
  }

  async connect(options) {
    const { client, ear } = await this.client(options);
    client.connect();
    const { name, context } = await ear.first(["connected", "disconnected"]);
    if (name === "disconnected") throw new Unmet(`the client was disconnected: ${context.code} ${context.reason}`);
    return { client, ear, id: context.client, data: context.data };
  }

  // Connects and does not get in: the terminal disconnect.
  async turned_away(options) {
    const { client, ear } = await this.client(options);
    client.connect();
    const why = await ear.next("disconnected");
    if (client.state !== "disconnected") throw new Unmet(`the client is ${client.state}`);
    if (ear.of("connected").length) throw new Unmet("it was connected before");
    return { ...why, errors: ear.of("error").map((each) => each.error.code) };
  }

  subscription(client, group, options = {}) {
    const sub = client.newSubscription(group, { minResubscribeDelay: 20, maxResubscribeDelay: 200, ...options });
    const ear = new Ear(sub, `the subscription to ${group}`);
    return { sub, ear };
  }

  async subscribe(client, group, options) {
    const { sub, ear } = this.subscription(client, group, options);
    sub.subscribe();
    const { name, context } = await ear.first(["subscribed", "unsubscribed"]);
    if (name === "unsubscribed") throw new Unmet(`${group} was refused: ${context.code} ${context.reason}`);
    return { sub, ear, context };
  }

  // The code by which a subscription is refused for good.
  async refusal(client, group, options) {
    const { sub, ear } = this.subscription(client, group, options);
    sub.subscribe();
    const { name, context } = await ear.first(["subscribed", "unsubscribed"]);
    if (name === "subscribed" || sub.state !== "unsubscribed") throw new Unmet(`${group} was not refused but is ${sub.state}`);
    return context.code;
  }

  async end() {
    for (const client of this.clients) client.disconnect();
    for (const [what, ...of] of this.things.reverse()) await this.host(what, ...of);
  }
}

export async function run_case(world, claim, body) {
  try {
    await within(body(world), `"${claim}" did not end`, 120_000);
  } finally {
    await world.end();
  }
}
