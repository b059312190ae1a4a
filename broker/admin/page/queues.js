// Queues, and who and what fills and empties them.
import { change, get } from "./api.js";
import { button, make, number, short, state, table, time } from "./dom.js";

export const queues = {
  title: () => "Queues",
  async show({ may_change }) {
    const { queues: all } = await get("queues");
    const count = (name) => (queue) => number(queue[name]);
    return table("Queues", [
      ["Queue", (queue) => make("a", { href: `#/jobs?${new URLSearchParams({ queue: queue.name })}` }, queue.name)],
      ["State", (queue) => state(queue.paused ? "paused" : "open")],
      ["Ready", count("ready"), "number"],
      ["Scheduled", count("scheduled"), "number"],
      ["Running", count("leased"), "number"],
      ["Parked", count("parked"), "number"],
      ["Dead", count("dead"), "number"],
      ["Oldest since", (queue) => time(queue.oldest_ms)],
      ...(may_change ? [["", (queue) => (queue.paused ? button("Resume", "resume", { queue: queue.name }) : button("Pause", "pause", { queue: queue.name }))]] : []),
    ], all, "No queue has had a job yet.");
  },
  acts: {
    pause: ({ queue }) => change(`queues/${encodeURIComponent(queue)}/pause`),
    resume: ({ queue }) => change(`queues/${encodeURIComponent(queue)}/resume`),
  },
};

const fires = 5;
const with_next = 50; // schedules whose fires are asked for, one request each

export const schedules = {
  title: () => "Schedules",
  async show() {
    const { schedules: all } = await get("schedules");
    const next = await Promise.all(all.map((each, i) => (each.enabled && i < with_next
      ? get(`schedules/${encodeURIComponent(each.name)}/next`, { count: String(fires) }).then((got) => got.next)
      : each.next_fire_ms ? [each.next_fire_ms] : [])));
    return table("Schedules", [
      ["Schedule", ([each]) => each.name],
      ["Says", ([each]) => make("code", {}, short(each.schedule, 160))],
      ["From", ([each]) => each.source],
      ["State", ([each]) => (each.enabled ? state("enabled", "open") : state("disabled", "paused"))],
      ["Last fire", ([each]) => (each.last_fire_ms ? time(each.last_fire_ms) : "")],
      ["Next fires", ([, times]) => times.map((at) => make("div", {}, time(at)))],
      ["Fired", ([each]) => number(each.fired), "number"],
      ["Skipped", ([each]) => number(each.skipped), "number"],
    ], all.map((each, i) => [each, next[i]]), "There are no schedules.");
  },
};

export const workers = {
  title: () => "Workers",
  async show() {
    const { workers: all } = await get("workers");
    return table("Workers", [
      ["Worker", (worker) => worker.name],
      ["State", (worker) => (worker.stopping ? state("stopping", "paused") : state("working", "open"))],
      ["Queues", (worker) => worker.queues.join(", ") || "all"],
      ["Running", (worker) => `${worker.running} of ${worker.concurrency}`, "number"],
      ["Given ahead", (worker) => number(worker.prefetched), "number"],
      ["Done", (worker) => number(worker.done), "number"],
      ["Child restarts", (worker) => number(worker.child_restarts), "number"],
      ["Since", (worker) => time(worker.since_ms)],
    ], all, "No worker is connected.");
  },
};
