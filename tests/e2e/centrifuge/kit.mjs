// What the cases share. Runs in Node.js and in a page alike: no import of either's own.
export const patience_ms = 60_000;

export class Unmet extends Error {}

function text(value) {
  return JSON.stringify(value, (_, inner) => inner && typeof inner === "object" && !Array.isArray(inner)
    ? Object.fromEntries(Object.keys(inner).sort().map((key) => [key, inner[key]])) : inner);
}

export function ok(so, what) {
  if (!so) throw new Unmet(what);
}

// The same JSON, whatever the order of members.
export function same(got, wanted, what = "it") {
  ok(text(got) === text(wanted), `${what} is ${text(got)}, not ${text(wanted)}`);
}

export function within(promise, what, longest = patience_ms) {
  let timer;
  const late = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Unmet(`${typeof what === "function" ? what() : what} (${longest} ms)`)), longest);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Rejects with that code; returns the whole error.
export async function refused(promise, code) {
  const error = await within(promise.then(() => { throw new Unmet(`it was not refused with ${code}`); }, (why) => why), "a refusal did not come");
  if (error instanceof Error) throw error;
  same(error.code, code, `the code of "${error.message}"`);
  return error;
}

// Asks again until the answer is as wanted, and returns it.
export async function eventually(ask, fits, what) {
  const end = Date.now() + patience_ms;
  for (;;) {
    const got = await ask();
    if (fits(got)) return got;
    ok(Date.now() < end, `${what}: it stayed ${text(got)}`);
    await new Promise((done) => setTimeout(done, 20)); // others' turn
  }
}

// Hears all events of a client or a subscription. next() takes each once, in order; of() looks at all.
export class Ear {
  constructor(emitter, who) {
    this.who = who;
    this.heard = [];
    this.taken = new Set();
    this.waiting = new Set();
    for (const name of ["connecting", "connected", "disconnected", "subscribing", "subscribed", "unsubscribed", "publication",
                        "join", "leave", "message", "error"]) {
      emitter.on(name, (context) => {
        this.heard.push({ name, context });
        for (const look of [...this.waiting]) look();
      });
    }
  }

  of(name) {
    return this.heard.filter((each) => each.name === name).map((each) => each.context);
  }

  // The first untaken event of these names that fits.
  first(names, fits = () => true) {
    let look;
    const found = new Promise((done) => {
      look = () => {
        const at = this.heard.findIndex((each, i) => !this.taken.has(i) && names.includes(each.name) && fits(each.context));
        if (at < 0) return;
        this.waiting.delete(look);
        this.taken.add(at);
        done(this.heard[at]);
      };
      this.waiting.add(look);
      look();
    });
    return within(found, () => `${this.who} did not hear ${names.join(" or ")}; it heard ${this.told()}`).finally(() => this.waiting.delete(look));
  }

  async next(name, fits) {
    return (await this.first([name], fits)).context;
  }

  // All publications' data once there are that many.
  async data(count) {
    const found = new Promise((done) => {
      const look = () => {
        if (this.of("publication").length < count) return;
        this.waiting.delete(look);
        done();
      };
      this.waiting.add(look);
      look();
    });
    await within(found, () => `${this.who} did not hear ${count} publications; it heard ${this.told()}`);
    return this.of("publication").map((each) => each.data);
  }

  told() {
    const lines = this.heard.map(({ name, context }) => text({ [name]: context }));
    return lines.filter((each, i) => each !== lines[i - 1]).join(" ").slice(-3000);
  }
}

export const numbers = (from, count) => Array.from({ length: count }, (_, i) => from + i);
