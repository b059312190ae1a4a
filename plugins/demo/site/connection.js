// A connection that comes back by itself, by another transport where the first is blocked. It knows nothing of the page;
// the sockets, the clock and chance are given, so that it can be tested without any of them.

const first_delay_ms = 500;
const longest_delay_ms = 20_000;
const least_delay_ms = 150;
const stable_after_ms = 5_000; // a connection that lasted this long starts the back-off anew
const connect_timeout_ms = 5_000;

// Full jitter: thousands of clients told 1001 at the same moment come back spread over the whole interval.
export function back_off(attempt, random = Math.random) {
  const ceiling = Math.min(longest_delay_ms, first_delay_ms * 2 ** Math.min(attempt, 16));
  return Math.round(least_delay_ms + random() * (ceiling - least_delay_ms));
}

// Close codes that ask the client to stay away (docs/protocol.md): it broke the protocol or a policy, or is told so by
// the ranges 3500-3999 and 4500-4999. After any other it may come back.
export function may_return(code) {
  return !([1002, 1003, 1007, 1008].includes(code) || (code >= 3500 && code <= 3999) ||
           (code >= 4500 && code <= 4999));
}

// States: idle, connecting, open, waiting (for the next attempt, see retry_at), refused (the server is there, but does
// not let us in), ended (closed for good by the server). start() leaves the last two.
//
// `transports`: {name, make() -> what looks like a WebSocket}, the best first; without it: a WebSocket to `url`. The next
// is tried when one does not open although the server is there; one that was open before gets a second chance.
export class Connection {
  constructor({ url, transports, on_state, on_frame, server_is_up, make_socket = (u) => new WebSocket(u), random = Math.random,
                now = () => Date.now(), set_timer = (f, ms) => setTimeout(f, ms), clear_timer = (t) => clearTimeout(t) }) {
    Object.assign(this, { url, on_state, on_frame, server_is_up, make_socket, random, now, set_timer, clear_timer });
    this.transports = transports ?? [{ name: "websocket", make: () => this.make_socket(this.url) }];
    this.which = 0;
    this.failures = 0; // of this transport, one after the other
    this.state = "idle";
    this.attempt = 0;
    this.retry_at = 0;
    this.close_code = 0;
    this.close_reason = "";
    this.was_open = false;
    this.socket = null;
    this.timer = null;
  }

  get transport() {
    return this.transports[this.which].name;
  }

  start() {
    if (this.state === "open" || this.state === "connecting") return;
    this.clear_timer(this.timer);
    if (this.state === "refused" || this.state === "ended") this.which = 0;
    let socket;
    try {
      socket = this.transports[this.which].make();
    } catch { // an address that no browser accepts: another attempt would not help
      this.#enter("refused");
      return;
    }
    let opened_at = null;
    this.socket = socket;
    this.#enter("connecting");
    this.timer = this.set_timer(() => socket.close(), connect_timeout_ms);
    socket.onopen = () => {
      if (this.socket !== socket) return;
      this.clear_timer(this.timer);
      opened_at = this.now();
      this.failures = 0;
      this.was_open = true;
      this.#enter("open");
    };
    socket.onmessage = (event) => {
      if (this.socket === socket) this.on_frame(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.clear_timer(this.timer);
      this.close_code = event.code;
      this.close_reason = event.reason;
      if (opened_at !== null && this.now() - opened_at >= stable_after_ms) this.attempt = 0;
      if (!may_return(event.code)) this.#enter(opened_at === null ? "refused" : "ended");
      else if (opened_at !== null || (this.was_open && this.transports.length === 1)) this.#wait();
      else this.#ask_whether_refused();
    };
  }

  stop() {
    this.clear_timer(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.attempt = 0;
    this.was_open = false;
    socket?.close(1000);
    this.#enter("idle");
  }

  send(text) {
    if (this.state !== "open") return false;
    this.socket.send(text);
    return true;
  }

  #wait() {
    const delay = back_off(this.attempt++, this.random);
    this.retry_at = this.now() + delay;
    this.timer = this.set_timer(() => this.start(), delay);
    this.#enter("waiting");
  }

  // A browser does not tell a refused handshake from an absent server (RFC 6455 10.2 and the WebSocket API's security
  // notes), so ask the server by another way.
  async #ask_whether_refused() {
    const state = this.state;
    const up = await this.server_is_up();
    if (this.state !== state || this.socket) return; // stopped or started meanwhile
    if (!up) return this.#wait();
    this.failures += 1;
    if (this.was_open && this.failures < 2) return this.#wait();
    this.failures = 0;
    this.which = (this.which + 1) % this.transports.length;
    if (this.which === 0) return this.was_open ? this.#wait() : this.#enter("refused");
    this.state = "idle";
    this.start();
  }

  #enter(state) {
    this.state = state;
    this.on_state(state);
  }
}
