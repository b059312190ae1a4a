import { Connection } from "./connection.js";
import { compose, parse_frame, room_path, socket_url } from "./protocol.js";

const answer_timeout_ms = 8_000;
const longest_queue = 50;

// One room and its connection. Messages go out one at a time: the next follows when the server has answered the last,
// by sending it back to everyone or by an error. So an error always belongs to the message in flight.
//
// An entry's status: queued, sending, sent, refused, lost (the connection ended before an answer: it may have arrived).
export class Room {
  constructor(title, view, server_is_up) {
    this.title = title;
    this.view = view;
    this.unread = 0;
    this.queue = [];
    this.in_flight = null;
    this.lost = [];
    this.timer = null;
    this.connection = new Connection({
      url: socket_url(room_path(title)),
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

  leave() {
    clearTimeout(this.timer);
    this.connection.stop();
  }

  #pump() {
    if (this.in_flight || this.queue.length === 0 || this.connection.state !== "open") return;
    const entry = this.queue.shift();
    this.in_flight = entry;
    this.connection.send(JSON.stringify({ message: entry.raw }));
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
    if (status === "lost") this.lost = [...this.lost, entry].slice(-longest_queue);
    this.view.entry(this, entry);
    this.#pump();
  }

  #state(state) {
    if (state !== "open") {
      if (this.in_flight) this.#settle("lost");
      this.lost = []; // answers do not outlive their connection
    }
    this.view.state(this);
    this.#pump();
  }

  #frame(data) {
    const frame = parse_frame(data);
    if (!frame) return;
    if (frame.kind === "error" && this.in_flight) return this.#settle("refused", frame.text);
    if (frame.kind === "message") {
      if (this.in_flight?.raw === frame.raw) return this.#settle("sent");
      const late = this.lost.find((entry) => entry.raw === frame.raw);
      if (late) {
        this.lost = this.lost.filter((entry) => entry !== late);
        late.status = "sent";
        return this.view.entry(this, late);
      }
    }
    this.view.entry(this, { ...frame, own: false, at: new Date(), status: "sent" });
  }
}
