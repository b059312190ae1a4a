// Jobs of a cluster under faults: enqueued at any node, run by the workers of any. Each job writes into a ledger of its own when it
// begins and ends (the torture plugin's tasks), so that what happened is known whatever was killed.
//
// What was acknowledged ends in SUCCESS, its result is that of one of its runs, and never becomes another: it was finished once.
// A schedule's fires are apart by its interval.
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { key, pause } from "./nodes.mjs";

const every_ms = 2000;

export class Jobs {
  constructor(folder, fail) {
    this.ledger = join(folder, "jobs");
    this.ticks = join(folder, "ticks");
    this.fail = fail;
    this.asked = new Map(); // id -> the nonce of the result that was seen; "": none yet
    this.counts = { accepted: 0, refused: 0, unknown: 0 };
  }

  // The configuration's part.
  get config() {
    return `[schedule.tick]\ntask = "torture.step"\nevery = "${every_ms / 1000}s"\nkwargs = { ledger = "${this.ticks}" }\n`;
  }

  // Until `goes_on()` is false. What is not acknowledged is asked for again with the same key, elsewhere.
  async enqueue_for_ever(nodes, per_second, goes_on) {
    for (let number = 0; goes_on(); number += 1) {
      await pause(1000 / per_second);
      const body = JSON.stringify({ task: "torture.step", kwargs: { ledger: this.ledger, ms: (number % 10) * 20 } });
      for (let attempt = 0; attempt < 20 && goes_on(); attempt += 1) {
        const node = nodes[(number + attempt) % nodes.length];
        if (node.alive && await this.#post(node, body, `key ${number}`)) break;
        await pause(300);
      }
      this.#look(nodes[(number * 7) % nodes.length], [...this.asked.keys()][Math.max(0, this.asked.size - 50)]);
    }
  }

  async #post(node, body, idempotency) {
    try {
      const answer = await fetch(`http://${node.internal}/api/jobs`, {
        method: "POST", body, signal: AbortSignal.timeout(4000), headers: { "X-API-Key": key, "Idempotency-Key": idempotency } });
      const { id, error } = await answer.json();
      if (answer.status === 202) {
        this.counts.accepted += 1;
        if (!this.asked.has(id)) this.asked.set(id, "");
        return true;
      }
      this.counts.refused += 1;
      if (answer.status !== 503) this.fail(`enqueue at ${node.name}: ${answer.status} ${JSON.stringify(error)}`);
    } catch {
      this.counts.unknown += 1;
    }
    return false;
  }

  // Its state; null: nobody could say.
  async #look(node, id, wait = "0s") {
    if (id === undefined || !node.alive) return null;
    let answer, job;
    try {
      answer = await fetch(`http://${node.internal}/api/jobs/${id}?wait=${wait}`, { signal: AbortSignal.timeout(8000), headers: { "X-API-Key": key } });
      job = await answer.json();
    } catch {
      return null;
    }
    if (answer.status !== 200) return answer.status === 404 ? "missing" : null;
    if (job.state !== "SUCCESS") return job.state;
    const before = this.asked.get(id);
    if (before && before !== job.result.nonce) this.fail(`job ${id} was finished twice: by run ${before}, then by ${job.result.nonce}`);
    this.asked.set(id, job.result.nonce);
    return job.state;
  }

  // At the end, when all nodes are there.
  async check(nodes) {
    const end = Date.now() + 60_000;
    let left = [...this.asked.keys()];
    for (let round = 0; left.length > 0; round += 1) {
      const still = [];
      for (const [i, id] of left.entries()) {
        const state = await this.#look(nodes[(i + round) % nodes.length], id, left.length < 20 ? "3s" : "0s");
        if (state !== "SUCCESS") still.push(`${id} ${state}`);
      }
      if (still.length > 0 && Date.now() > end) {
        this.fail(`${still.length} of ${this.asked.size} jobs are not done: ${still.slice(0, 5).join(", ")}`);
        break;
      }
      left = still.map((each) => each.split(" ")[0]);
      if (left.length > 0) await pause(500);
    }
    const runs = await lines(this.ledger);
    for (const [id, nonce] of this.asked)
      if (nonce && !runs.some((run) => run.what === "end" && run.id === id && run.nonce === nonce)) this.fail(`job ${id}: no run ended with its result`);
    const fires = new Map(); // job -> when it first began
    for (const { what, id, at } of await lines(this.ticks)) if (what === "begin" && !fires.has(id)) fires.set(id, at);
    const times = [...fires.values()].sort((a, b) => a - b);
    const most = times.length === 0 ? 0 : Math.floor((times.at(-1) - times[0]) / every_ms) + 2; // it began late, the last in time
    if (times.length === 0 || times.length > most) this.fail(`the schedule's task ran ${times.length} times, and has ${most} at most`);
    return `jobs ${this.asked.size} (refused ${this.counts.refused}, unknown ${this.counts.unknown}), runs ${runs.filter(({ what }) => what === "end").length}, ` +
           `ticks ${times.length} of ${most}`;
  }
}

async function lines(path) {
  const all = [];
  const input = createReadStream(path);
  input.on("error", () => {}); // nobody wrote into it
  for await (const line of createInterface({ input })) {
    const [what, id, nonce, at] = line.split(" ");
    all.push({ what, id, nonce, at: Number(at) });
  }
  return all;
}
