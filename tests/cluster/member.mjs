// A client as a careful one is, over a raw WebSocket: it checks that what it is told of its groups is whole.
//
// Of each group it knows the position (epoch, offset). A publication has the next offset, or something is wrong; after a
// reconnect it asks for what it missed and gets exactly that, or is told that it cannot (`recovered: false`). What stands at a
// position is the same for everybody.
import { createRequire } from "node:module";

const { WebSocket } = createRequire(new URL("../e2e/package.json", import.meta.url))("ws");

// What was seen at which position, by all members and publishers.
export class Ledger {
  constructor() {
    this.seen = new Map(); // "group epoch" -> [data by offset]
    this.wrong = [];
    this.count = 0;
  }
  fault(what) {
    if (this.wrong.length < 50) this.wrong.push(what);
    console.error(`WRONG: ${what}`);
  }
  stands(group, epoch, offset, data, who) {
    const key = `${group} ${epoch}`;
    let all = this.seen.get(key);
    if (!all) this.seen.set(key, (all = []));
    this.count += 1;
    if (all[offset] === undefined) all[offset] = data;
    else if (all[offset] !== data) this.fault(`${who}: at ${key} ${offset} stands "${data}", and another saw "${all[offset]}"`);
  }
}

export class Member {
  // `hosts()`: addresses to try, the best first. `groups`: names.
  constructor(name, ledger, groups, hosts) {
    Object.assign(this, { name, ledger, hosts });
    this.groups = new Map(groups.map((group) => [group, { epoch: "", offset: 0, on: false, known: false }]));
    this.told = { recovered: 0, anew: 0, connects: 0 };
    this.last = []; // what it heard last: it says so when something is wrong
    this.stopped = false;
    this.id = "";
    this.#connect();
  }

  get settled() {
    return this.id !== "" && [...this.groups.values()].every((each) => each.on);
  }

  stop() {
    this.stopped = true;
    this.socket?.terminate();
    clearTimeout(this.timer);
  }

  #fault(what) {
    this.ledger.fault(`${what}\n    ${this.last.join("\n    ")}`);
  }

  #connect() {
    if (this.stopped) return;
    const all = this.hosts();
    const at = all[Math.floor(Math.random() * all.length)];
    const socket = new WebSocket(`ws://${at}/connection/websocket`, { perMessageDeflate: false, handshakeTimeout: 4000 });
    this.socket = socket;
    this.at = at;
    this.next = 1;
    this.asked = new Map();
    socket.on("error", () => {});
    socket.on("open", () => {
      this.told.connects += 1;
      this.#heard(10_000);
      this.#ask({ connect: { name: this.name } }, (reply) => this.#connected(reply));
    });
    socket.on("message", (text) => {
      for (const line of text.toString().split("\n")) {
        if (line.length > 2) this.last = [...this.last.slice(-7), line];
        if (line) this.#on(JSON.parse(line));
      }
    });
    socket.on("close", () => {
      if (this.socket !== socket) return;
      clearTimeout(this.timer);
      this.id = "";
      for (const each of this.groups.values()) each.on = false;
      if (!this.stopped) this.timer = setTimeout(() => this.#connect(), 100 + Math.random() * 400);
    });
  }

  // The server pings: one that is silent for longer is given up.
  #heard(patience) {
    if (patience) this.patience = patience;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.timer = setTimeout(() => socket.terminate(), this.patience);
  }

  #ask(command, done) {
    const id = this.next++;
    this.asked.set(id, done);
    this.socket.send(JSON.stringify({ id, ...command }));
  }

  #connected({ connect, error }) {
    if (error) return this.socket.terminate();
    this.id = connect.client;
    if (connect.ping) this.#heard((connect.ping + 3) * 1000);
    for (const group of this.groups.keys()) this.#subscribe(group);
  }

  #subscribe(group) {
    const its = this.groups.get(group);
    const socket = this.socket;
    const subscribe = { channel: group };
    if (its.known) Object.assign(subscribe, { recover: true, epoch: its.epoch, offset: its.offset });
    this.#ask({ subscribe }, ({ subscribe: reply, error }) => {
      if (error) {
        if (![100, 106, 111].includes(error.code) && !error.temporary) this.#fault(`${this.name}: ${group}: ${JSON.stringify(error)}`);
        return setTimeout(() => socket === this.socket && this.id && this.#subscribe(group), 200 + Math.random() * 300);
      }
      const { epoch, offset = 0, publications = [], recovered = false } = reply;
      if (its.known && recovered) {
        this.told.recovered += 1;
        if (epoch !== its.epoch) this.#fault(`${this.name}: ${group} recovered from epoch ${its.epoch} into ${epoch}`);
        for (const each of publications) this.#take(group, its, each);
        if (publications.length === 0 && its.offset !== offset)
          this.#fault(`${this.name}: ${group} recovered nothing behind ${its.offset}, and the stream is at ${offset}`);
        Object.assign(its, { on: true });
      } else {
        if (its.known) this.told.anew += 1;
        for (const each of publications) this.ledger.stands(group, epoch, each.offset, each.data.text, this.name);
        Object.assign(its, { epoch, offset, on: true, known: true });
      }
    });
  }

  #take(group, its, { offset, data }) {
    if (offset !== its.offset + 1)
      this.#fault(`${this.name} at ${this.at}: ${group} ${its.epoch}: ${offset} ("${data.text}") came behind ${its.offset}`);
    this.ledger.stands(group, its.epoch, offset, data.text, this.name);
    its.offset = offset;
  }

  #on(message) {
    this.#heard();
    if (message.id) {
      const done = this.asked.get(message.id);
      this.asked.delete(message.id);
      return done?.(message);
    }
    if (!message.push) return this.socket.send("{}");
    const { channel, pub, unsubscribe } = message.push;
    const its = this.groups.get(channel);
    if (pub && its) {
      if (its.on) this.#take(channel, its, pub);
      else this.#fault(`${this.name}: ${channel}: a publication before the answer`);
    }
    if (unsubscribe && its) {
      its.on = false;
      if (unsubscribe.code >= 2500) this.#subscribe(channel);
      else this.#fault(`${this.name}: ${channel}: unsubscribed for good: ${JSON.stringify(unsubscribe)}`);
    }
  }
}
