// As much of the client protocol as the demo's pages use, over all three transports.
import { randomUUID } from "node:crypto";
import { group_of } from "../../../plugins/demo/site/protocol.js";

class Session {
  constructor(fake, send) {
    Object.assign(this, { fake, send, client: randomUUID(), session: randomUUID(), groups: new Set() });
    fake.sessions.add(this);
  }

  push(what) { this.send(JSON.stringify({ push: what })); }

  run(lines) {
    for (const line of lines.split("\n")) {
      const { id, ...command } = JSON.parse(line);
      const [name, value] = Object.entries(command)[0] ?? [];
      if (!name) continue; // a pong
      const reply = this[`on_${name}`](value);
      this.send(JSON.stringify({ id, ...(reply.error ? { error: { code: 400, ...reply.error } } : { [name]: reply }) }));
      this.behind?.();
      this.behind = null;
    }
  }

  on_connect() {
    return { client: this.client, version: "0.0.0 fake", ping: 25, pong: true, session: this.session, node: "fake" };
  }

  on_subscribe({ channel }) {
    if (this.fake.refuse_group(channel)) return { error: { code: 103, message: "permission denied" } };
    this.groups.add(channel);
    this.behind = () => this.fake.joined(channel, this.client);
    const offset = this.fake.kept(channel).length;
    return { recoverable: true, positioned: true, epoch: "fake", offset };
  }

  on_history({ channel, limit, reverse }) {
    const all = this.fake.kept(channel).map((data, i) => ({ data, offset: i + 1 }));
    return { publications: (reverse ? all.reverse() : all).slice(0, limit ?? 0), epoch: "fake", offset: all.length };
  }

  on_presence({ channel }) {
    return { presence: Object.fromEntries(this.fake.here(channel).map((each) => [each.client, each])) };
  }

  on_rpc({ method, data }) {
    const group = group_of(data.room);
    if (method === "chat.who") return { data: { here: this.fake.here(group), seen: this.fake.seen, you: this.client } };
    if (method === "chat.typing") {
      this.fake.publish(group, { typing: this.client }, false);
      return { data: {} };
    }
    const why = this.fake.moderate(data.message);
    if (why) return { error: { message: why } };
    this.fake.said.push(data.message);
    this.fake.publish(group, { message: data.message });
    return { data: {} };
  }

  end() {
    if (!this.fake.sessions.delete(this)) return;
    for (const group of this.groups) this.fake.left(group, this.client);
  }
}

async function body_of(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
}

// True when the request was one of the protocol's.
export async function serve_connection(fake, request, response) {
  const url = new URL(request.url, "http://x");
  if (url.pathname === "/emulation") {
    const { session, data } = JSON.parse(await body_of(request));
    const found = [...fake.sessions].find((each) => each.session === session);
    response.writeHead(found ? 204 : 404).end();
    found?.run(data);
    return true;
  }
  const kind = /^\/connection\/(http_stream|sse)$/.exec(url.pathname)?.[1];
  if (!kind || fake.blocked.has(kind)) return false;
  const first = kind === "sse" ? url.searchParams.get("cf_connect") : await body_of(request);
  response.writeHead(200, { "Content-Type": kind === "sse" ? "text/event-stream" : "application/octet-stream", "Cache-Control": "no-store" });
  const session = new Session(fake, (line) => response.write(kind === "sse" ? `data: ${line}\n\n` : `${line}\n`));
  response.on("close", () => session.end());
  session.run(first);
  return true;
}

export function serve_socket(fake, ws) {
  const session = new Session(fake, (line) => ws.send(line));
  ws.on("message", (lines) => session.run(lines.toString()));
  ws.on("close", () => session.end());
}
