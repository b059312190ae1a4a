// The cases' host: servers, the server API, tokens, the servers' own backend, proxies that stall. Names and JSON in, JSON out,
// so that a page may ask as Node.js does.
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { Server, secret } from "../support/server.mjs";
import { Three } from "../support/three.mjs";
import { StallingProxy } from "./stalling_proxy.mjs";

const api_key = "a-key-of-these-tests-that-is-long-enough";
const clustered = process.env.E2E_NODES === "3"; // every server is one node of three

const open = { allow_subscribe: "everyone", allow_publish: "everyone", allow_presence: "everyone", allow_history: "everyone" };
const kept = (size) => ({ history_size: size, history_ttl: "10m", recovery: true });
const namespaces = {
  plain: open,
  subs: { ...open, allow_publish: "subscribers" },
  users: { allow_subscribe: "users", allow_publish: "users" },
  private: { allow_publish: "subscribers", presence: true, allow_presence: "subscribers" },
  room: { ...open, presence: true, join_leave: true },
  mute: { allow_subscribe: "everyone", presence: true, history_size: 10, history_ttl: "10m" },
  hist: { ...open, ...kept(400) },
  small: { ...open, ...kept(5) },
  brief: { ...open, history_size: 10, history_ttl: "1s" },
  synced: { ...open, ...kept(1000), history_durability: "synced" },
  placed: { ...open, history_size: 10, history_ttl: "10m", positioning: true },
  cached: { ...open, ...kept(10), cache: true },
  own: { ...open, user_limited: true, allow_subscribe: "nobody" },
  full: { ...open, ...kept(100), presence: true, join_leave: true },
};
const asked = { ...open, subscribe_proxy: true, publish_proxy: true, presence: true }; // only where there is a backend
const section = (values) => Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join("");
const sections = (all) => Object.entries(all).map(([name, values]) => `[namespace.${name}]\n${section(values)}`).join("\n");

const times = {
  main: [],
  quick: ["--client-expired-grace", "100ms"],
  pinging: ["--client-ping-interval", "300ms", "--client-pong-timeout", "2s"],
  hasty: ["--client-ping-interval", "200ms", "--client-pong-timeout", "1s"],
  polling: ["--poll-timeout", "300ms"],
  asking: ["--client-expired-grace", "100ms", "--proxy-timeout", "5s"],
  strangers_out: ["--no-client-anonymous"],
  chatting: [], // the only one with plugins
};

// A result's `expire_in` becomes `expire_at`: seconds from the answer on, however long the question took on a busy machine.
function dated(answer) {
  const { expire_in, ...result } = answer.result ?? {};
  return expire_in === undefined ? answer : { ...answer, result: { ...result, expire_at: Math.ceil(Date.now() / 1000) + expire_in } };
}

// What a backend answers, the question decides: {"answer": …} in its data is sent back as it is. Otherwise what will_answer()
// said for its user; otherwise {"result":{}}.
class Backend {
  static async start() {
    const backend = new Backend();
    backend.answers = new Map();
    backend.questions = [];
    backend.server = createServer((request, response) => {
      let body = "";
      request.on("data", (piece) => { body += piece; });
      request.on("end", () => {
        const question = JSON.parse(body);
        const what = request.url.slice(1);
        backend.questions.push({ what, question, headers: request.headers });
        const answer = question.data?.answer ?? backend.answers.get(`${what} ${question.user}`) ?? { result: {} };
        response.setHeader("Content-Type", "application/json");
        response.end(JSON.stringify(dated(answer)));
      });
    });
    await new Promise((done) => backend.server.listen(0, "127.0.0.1", done));
    backend.url = `http://127.0.0.1:${backend.server.address().port}`;
    return backend;
  }

  options() {
    return ["connect", "refresh", "subscribe", "sub-refresh", "publish", "rpc"].flatMap(
      (what) => [`--proxy-${what}`, `${this.url}/${what.replace("-", "_")}`]);
  }

  stop() {
    this.server.closeAllConnections?.();
    return new Promise((done) => this.server.close(done));
  }
}

export class Host {
  static async start() {
    const host = new Host();
    host.backend = await Backend.start();
    host.things = new Map();
    host.shared_ones = new Map();
    host.last = 0;
    return host;
  }

  async stop() {
    await Promise.all([...this.things.values()].map((each) => each.stop()));
    await this.backend.stop();
  }

  // `run("api", 3, "info", {})`: what a page calls.
  run(what, ...of) {
    if (!Host.#offered.has(what)) throw new Error(`the host does not do ${what}`);
    return this[what](...of);
  }

  static #offered = new Set(["shared", "own", "stop_thing", "kill", "start_again", "api", "token", "will_answer", "asked", "proxy",
                             "proxy_now"]);

  #keep(thing) {
    this.last += 1;
    this.things.set(this.last, thing);
    return this.last;
  }

  async #serve(name, options = []) {
    const asks = name === "asking";
    const all = [...times[name], ...(asks ? this.backend.options() : []), ...options];
    const config = `api_keys = ["suite:all:${api_key}"]\nallowed_origins = ["*"]\ncors_origins = ["*"]\n${sections({ ...namespaces, ...(asks && { asked }) })}`;
    const start = clustered ? Three.start : Server.start;
    const server = await start({ config, key: api_key, options: ["--log-level", "warn", ...(name === "chatting" ? [] : ["--no-bundled"]), "--loops", "2", "--drain-spread", "0", ...all] });
    return { id: this.#keep(server), url: server.url };
  }

  shared(name) {
    if (!this.shared_ones.has(name)) this.shared_ones.set(name, this.#serve(name));
    return this.shared_ones.get(name);
  }

  own({ like = "main", options } = {}) {
    return this.#serve(like, options);
  }

  async stop_thing(id) {
    const thing = this.things.get(id);
    this.things.delete(id);
    await thing?.stop();
  }

  async kill(id, signal = "SIGKILL") {
    return this.things.get(id).kill(signal);
  }

  async start_again(id) {
    await this.things.get(id).start_again();
  }

  // {"result": …} or {"error": {code, message}}; a status other than 200 is an error too.
  async api(id, method, params, key = api_key) {
    const answer = await fetch(`${this.things.get(id).internal}/api/${method}`, {
      method: "POST", headers: { "Content-Type": "application/json", ...(key ? { "X-API-Key": key } : {}) },
      body: typeof params === "string" ? params : JSON.stringify(params) });
    const body = await answer.text();
    if (answer.status !== 200) return { error: { code: answer.status, message: `HTTP ${answer.status}: ${body}` } };
    const said = JSON.parse(body);
    return said.replies ? { result: said } : said;
  }

  // HS256, signed by the servers' secret or another.
  token(claims, { alg = "HS256", key = secret } = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
    const hash = { HS256: "sha256", HS384: "sha384", HS512: "sha512" }[alg];
    return `${signed}.${hash ? createHmac(hash, key).update(signed).digest("base64url") : ""}`;
  }

  will_answer(what, user, answer) {
    this.backend.answers.set(`${what} ${user}`, answer);
  }

  // The backend's questions of a kind that somewhere hold `about`.
  asked(what, about) {
    return this.backend.questions.filter((each) => each.what === what && JSON.stringify(each.question).includes(about));
  }

  async proxy(server) {
    const proxy = await StallingProxy.start(new URL(this.things.get(server).url).port);
    return { id: this.#keep(proxy), url: proxy.url };
  }

  proxy_now(id, what) {
    return this.things.get(id).now(what);
  }
}
