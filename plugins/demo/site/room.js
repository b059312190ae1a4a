import { Connection } from "./connection.js";
import { compose, parse_frame, room_path, socket_url } from "./protocol.js";
import { StreamSocket } from "./stream_socket.js";

const answer_timeout_ms = 8_000;
const longest_queue = 50;
const longest_memory = 300; // messages by which history is recognised on coming back
const typing_shown_ms = 3_000;
const typing_told_ms = 1_500;
const who_delay_ms = 250; // several joins are one question
const who_again_ms = 10_000; // who comes by the client protocol is told to its subscribers, not to the room's consumers

// One room and its connection. Messages go out one at a time: the next follows when the server has answered the last,
// by sending it back to everyone or by an error. So an error always belongs to the message in flight.
//
// On joining, the server first sends the room's last messages, then says who joined. On coming back these overlap with
// what is shown already: only what was missed is added.
//
// An entry's status: queued, sending, sent, refused, lost (the connection ended before an answer: it may have arrived).
export class Room {
  constructor(title, view, { server_is_up, my_name, token = () => "" }) {
    this.title = title;
    this.view = view;
    this.my_name = my_name;
    this.past = null; // history on its way in
    this.shown = []; // raw texts, in the server's order
    this.here = [];
    this.seen = [];
    this.you = "";
    this.typing = new Map(); // channel -> timer
    this.typing_told = 0;
    this.unread = 0;
    this.queue = [];
    this.in_flight = null;
    this.lost = [];
    this.timer = null;
    this.connection = new Connection({
      transports: [
        { name: "websocket", make: () => new WebSocket(socket_url(room_path(title) + (token() && `?token=${encodeURIComponent(token())}`))) },
        { name: "http_stream", make: () => new StreamSocket("http_stream", title, token()) },
        { name: "sse", make: () => new StreamSocket("sse", title, token()) },
      ],
      server_is_up,
      on_state: (state) => this.#state(state),
      on_frame: (data) => this.#frame(data),
    });
  }

  // False when too much is waiting already.
  say(author, text) {
    if (this.queue.length >= longest_queue) return false;
    const entry = { kind: "message", own: true, author, text, raw: compose(author, text), at: new Date(), status: "queued" };
    this.queue.push(entry);
    this.typing_told = 0; // what is written next is news
    this.view.entry(this, entry);
    this.#pump();
    return true;
  }

  say_again(entry) {
    this.lost = this.lost.filter((other) => other !== entry);
    entry.status = "queued";
    this.queue.push(entry);
    this.view.entry(this, entry);
    this.#pump();
  }

  // The person writes. The server is told now and then.
  write() {
    const now = Date.now();
    if (now - this.typing_told < typing_told_ms) return;
    if (this.connection.send(JSON.stringify({ typing: true }))) this.typing_told = now;
  }

  ask_who(delay = who_delay_ms) {
    clearTimeout(this.who_timer);
    this.who_timer = setTimeout(() => this.connection.send(JSON.stringify({ who: true })), delay);
  }

  // As somebody else, with another token.
  rejoin() {
    this.connection.stop();
    this.connection.start();
  }

  leave() {
    clearTimeout(this.timer);
    clearTimeout(this.who_timer);
    this.#forget_typing();
    this.connection.stop();
  }

  #pump() {
    if (this.in_flight || this.queue.length === 0 || this.connection.state !== "open") return;
    const entry = this.queue[0];
    if (!this.connection.send(JSON.stringify({ message: entry.raw }))) return; // waits for the next connection
    this.queue.shift();
    this.in_flight = entry;
    this.timer = setTimeout(() => this.#settle("lost"), answer_timeout_ms);
    entry.status = "sending";
    this.view.entry(this, entry);
  }

  #settle(status, note = "") {
    clearTimeout(this.timer);
    const entry = this.in_flight;
    this.in_flight = null;
    entry.status = status;
    entry.note = note;
    if (status === "sent") this.#remember(entry.raw);
    if (status === "lost") this.lost = [...this.lost, entry].slice(-longest_queue);
    this.view.entry(this, entry);
    this.#pump();
  }

  #state(state) {
    if (state === "open") {
      this.past = [];
      this.typing_told = 0;
    } else {
      this.past = null;
      this.here = [];
      this.#forget_typing();
      if (this.in_flight) this.#settle("lost");
    }
    this.view.state(this);
    this.#pump();
  }

  #remember(raw) {
    this.shown.push(raw);
    if (this.shown.length > longest_memory) this.shown.shift();
  }

  #forget_typing() {
    for (const timer of this.typing.values()) clearTimeout(timer);
    this.typing.clear();
  }

  // History begins with what is shown last, unless more was missed than it holds.
  #take_past() {
    const { past, shown } = this;
    this.past = null;
    const first_time = shown.length === 0;
    let known = Math.min(past.length, shown.length);
    while (known > 0 && past.slice(0, known).some((frame, i) => frame.raw !== shown[shown.length - known + i])) known -= 1;
    for (const frame of past.slice(known)) this.#message({ ...frame, own: frame.author === this.my_name(), at: null, past: first_time });
  }

  // A message that was thought lost has arrived after all.
  #message(entry) {
    this.#remember(entry.raw);
    const late = this.lost.find((other) => other.raw === entry.raw);
    this.lost = this.lost.filter((other) => other !== late);
    this.view.entry(this, Object.assign(late ?? entry, { status: "sent" }));
  }

  #frame(data) {
    const frame = parse_frame(data);
    if (!frame) return;
    if (this.past && frame.kind === "message") return this.past.push(frame);
    if (this.past) this.#take_past();
    switch (frame.kind) {
      case "error":
        if (this.in_flight) return this.#settle("refused", frame.text);
        break;
      case "message":
        if (this.in_flight?.raw === frame.raw) return this.#settle("sent");
        if (this.typing.size) { this.#forget_typing(); this.view.typing(this); }
        return this.#message({ ...frame, own: false, at: new Date() });
      case "typing":
        clearTimeout(this.typing.get(frame.channel));
        this.typing.set(frame.channel, setTimeout(() => { this.typing.delete(frame.channel); this.view.typing(this); }, typing_shown_ms));
        return this.view.typing(this);
      case "who":
        Object.assign(this, { here: frame.here, seen: frame.seen, you: frame.you });
        this.ask_who(who_again_ms);
        return this.view.who(this);
      case "system":
        this.ask_who();
    }
    this.view.entry(this, { ...frame, own: false, at: new Date(), status: "sent" });
  }
}
