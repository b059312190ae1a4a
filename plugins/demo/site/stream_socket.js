// A room through the client protocol, where WebSockets are blocked: the server's lines come over one long HTTP answer
// (http_stream, sse), ours go by POST /emulation. To the rest of the page it looks like the WebSocket of /ws/chat/…: the
// same frames go in and out.
import { group_of } from "./protocol.js";

const history_limit = 50;
const patience_ms = 10_000; // behind the server's ping

export class StreamSocket {
  constructor(kind, room, token = "") {
    this.room = room;
    this.group = group_of(room);
    this.closed = false;
    this.opened = false;
    this.held = []; // publications that came before history
    this.asked = new Map(); // id -> what to do with the reply
    this.serial = 0;
    this.aborter = new AbortController();
    this.events = null;
    const connect = JSON.stringify(this.#command({ connect: token ? { token } : {} }, (reply) => this.#connected(reply)));
    if (kind === "sse") this.#listen(connect);
    else this.#read(connect);
  }

  // What the page would say to the WebSocket.
  send(text) {
    const frame = JSON.parse(text);
    const { room } = this;
    const tell = (data) => this.#tell(data);
    if (frame.who) return this.#rpc("chat.who", { room }, tell);
    if (frame.typing) return this.#rpc("chat.typing", { room });
    this.#rpc("chat.say", { room, message: frame.message });
  }

  close(code = 1006, reason = "") {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.watch);
    this.aborter.abort();
    this.events?.close();
    setTimeout(() => this.onclose?.({ code, reason }));
  }

  #listen(connect) {
    this.events = new EventSource(`/connection/sse?cf_connect=${encodeURIComponent(connect)}`);
    this.events.onmessage = (event) => this.#lines(event.data);
    this.events.onerror = () => this.close();
  }

  async #read(connect) {
    try {
      const answer = await fetch("/connection/http_stream", { method: "POST", body: connect, signal: this.aborter.signal,
        headers: { "Content-Type": "application/json" }, cache: "no-store" });
      if (!answer.ok) return this.close();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read();
        if (done) return this.close();
        const text = rest + value;
        const end = text.lastIndexOf("\n") + 1;
        rest = text.slice(end);
        this.#lines(text.slice(0, end));
      }
    } catch { // aborted, or the network's
      this.close();
    }
  }

  #command(what, on_reply = () => {}) {
    const id = this.serial += 1;
    this.asked.set(id, on_reply);
    return { id, ...what };
  }

  async #post(...commands) {
    if (this.closed) return;
    const data = commands.map((command) => JSON.stringify(command)).join("\n");
    try {
      const answer = await fetch("/emulation", { method: "POST", signal: this.aborter.signal, headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ session: this.session, node: this.node, data }) });
      if (!answer.ok) this.close();
    } catch {
      this.close();
    }
  }

  #rpc(method, data, on_data = () => {}) {
    this.#post(this.#command({ rpc: { method, data } }, ({ error, rpc }) => {
      if (!error) on_data(rpc.data);
      else if (method !== "chat.typing") this.#tell({ error: error.message });
    }));
  }

  #tell(frame) {
    if (!this.closed) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  #lines(text) {
    clearTimeout(this.watch);
    if (this.ping) this.watch = setTimeout(() => this.close(), this.ping * 1_000 + patience_ms);
    for (const line of text.split("\n")) if (line.trim() && !this.closed) this.#message(JSON.parse(line));
  }

  #message(message) {
    if (message.id) {
      const on_reply = this.asked.get(message.id);
      this.asked.delete(message.id);
      on_reply?.(message);
    } else if (!message.push) {
      if (this.pong) this.#post({}); // a ping
    } else if (message.push.disconnect) {
      this.close(message.push.disconnect.code, message.push.disconnect.reason);
    } else if (message.push.channel === this.group) {
      this.#push(message.push);
    }
  }

  #push({ pub, join, leave, unsubscribe }) {
    if (unsubscribe) this.close(); // comes back by itself
    else if (this.held) this.held.push({ pub, join, leave });
    else if (pub && !(pub.offset && pub.offset <= this.top)) this.#publication(pub);
    else if (join && join.info.client !== this.client) this.#tell({ system: `${join.info.client} joined` });
    else if (leave) this.#tell({ system: `${leave.info.client} left` });
  }

  #publication({ data }) {
    if (data?.typing !== this.client) this.#tell(data);
  }

  #connected({ error, connect }) {
    if (error) return this.close(3500, error.message);
    Object.assign(this, { session: connect.session, node: connect.node, client: connect.client, ping: connect.ping, pong: connect.pong });
    const channel = this.group;
    this.#post(
      this.#command({ subscribe: { channel } }, (reply) => { if (reply.error) this.close(3507, reply.error.message); }),
      this.#command({ history: { channel, limit: history_limit, reverse: true } }, ({ history }) => this.#begin(history?.publications ?? [])),
    );
  }

  // `publications`: newest first.
  #begin(publications) {
    if (this.closed) return;
    this.opened = true;
    this.onopen?.();
    this.top = publications[0]?.offset ?? 0;
    for (const each of publications.reverse()) this.#publication(each);
    this.#tell({ system: `${this.client} joined` });
    const { held } = this;
    this.held = null;
    for (const each of held) this.#push(each);
  }
}
