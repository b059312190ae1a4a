// A raw WebSocket whose messages are taken one by one.
import assert from "node:assert/strict";
import { WebSocket } from "ws";

const patience_ms = 60_000;

export class Client {
  // The server wants to know the Origin: by default that is its own.
  static async connect(server, path, { protocols = [], origin = server.url, headers } = {}) {
    const client = new Client(new WebSocket(server.ws(path), protocols, { origin: origin ?? undefined, headers, perMessageDeflate: false }));
    await client.#within(new Promise((done, failed) => {
      client.socket.once("open", done);
      client.socket.once("error", failed);
    }), `a handshake at ${path}`);
    return client;
  }

  constructor(socket) {
    this.socket = socket;
    this.arrived = [];
    this.waiting = [];
    this.closed = new Promise((done) => socket.once("close", (code, reason) => done({ code, reason: reason.toString() })));
    socket.on("error", () => {}); // told by "close" too
    socket.on("message", (data, binary) => {
      const message = binary ? data : data.toString();
      const taker = this.waiting.shift();
      if (taker) taker(message);
      else this.arrived.push(message);
    });
  }

  #within(promise, what) {
    let timer;
    const late = new Promise((_, failed) => {
      timer = setTimeout(() => failed(new Error(`${what} did not happen within ${patience_ms} ms`)), patience_ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  send(message) {
    this.socket.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  receive() {
    if (this.arrived.length) return Promise.resolve(this.arrived.shift());
    return this.#within(new Promise((done) => this.waiting.push(done)), "a message");
  }

  async receive_json() {
    return JSON.parse(await this.receive());
  }

  end() {
    return this.#within(this.closed, "the close");
  }

  async close() {
    this.socket.close(1000);
    return this.end();
  }
}

// The HTTP status by which a handshake is refused; fails when it is accepted.
export function refusal_of(server, path, { protocols = [], origin = server.url, headers } = {}) {
  return new Promise((done, failed) => {
    const socket = new WebSocket(server.ws(path), protocols, { origin: origin ?? undefined, headers });
    socket.once("unexpected-response", (request, response) => {
      request.destroy();
      done(response.statusCode);
    });
    socket.once("open", () => {
      socket.terminate();
      failed(new assert.AssertionError({ message: `${path} was accepted` }));
    });
    socket.on("error", failed); // after unexpected-response it changes nothing
  });
}
