import { Refused, change, get } from "./api.js";
import { button, duration, facts, json, make, search_field, short, state, table, time } from "./dom.js";

const page_size = 50;
const states = ["waiting", "scheduled", "ready", "parked", "running", "success", "failure", "revoked", "rejected", "ignored"];

const state_of = (one) => state(one.state, one.state.toLowerCase());
// The server's ids begin with the time: those of one moment differ at their ends.
const brief = (id) => (id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-8)}` : id);
const link_to = (one) => make("a", { href: `#/jobs/${encodeURIComponent(one.id)}`, title: one.id }, brief(one.id));
const in_log = (text, name) => make("a", { href: `#/log?${new URLSearchParams({ text })}` }, name);
const percent = ({ progress }) => (progress === undefined ? "" : short(progress, 40));
const many = (count) => `${count} ${count === 1 ? "job" : "jobs"}`;

const columns = [
  ["Job", link_to],
  ["Task", (one) => one.task],
  ["Queue", (one) => one.queue],
  ["State", state_of],
  ["Enqueued", (one) => time(one.enqueued_ms)],
  ["Retries", (one) => String(one.retries), "number"],
];

function older(name, query, next) {
  const to = (after) => `#/${name}?${new URLSearchParams({ ...query, after })}`;
  return make("p", { class: "pages" }, query.after && make("a", { href: to("") }, "Newest"), " ", next && make("a", { href: to(next) }, "Older"));
}

function filters(query, go, with_state) {
  const asked = { ...query };
  const changed = (name, value) => {
    asked[name] = value;
    go({ ...asked, after: "" });
  };
  const field = (name, label) => search_field(`by_${name}`, label, `${label}…`, query[name] ?? "", (value) => changed(name, value));
  const all = [field("text", "text in it"), field("task", "task"), field("queue", "queue")];
  if (!with_state) return all;
  const select = make("select", { id: "by_state", "aria-label": "State" }, make("option", { value: "" }, "any state"),
    states.map((state) => make("option", { value: state, selected: query.state === state && "" }, state)));
  select.addEventListener("change", () => changed("state", select.value));
  return [select, ...all];
}

const asked_for = ({ state, text, task, queue, after }) => ({ state, text, task, queue, after, limit: String(page_size) });

export const jobs = {
  title: () => "Jobs",
  tools: (query, go) => filters(query, go, true),
  async show({ query }) {
    const found = await get("jobs", asked_for(query));
    return [
      table("Jobs", [...columns, ["Progress", percent], ["Worker", (one) => one.worker ?? ""]], found.jobs, "No such jobs."),
      older("jobs", query, found.next),
    ];
  },
};

const letter_buttons = (one) => {
  const ids = JSON.stringify([one.id]);
  return [button("Requeue", "requeue", { ids }), button("Discard", "discard", { ids, sure: `Discard ${one.task} ${brief(one.id)}? It is gone for good.` }, "danger")];
};
const letter_acts = {
  requeue: ({ ids }) => change("jobs/requeue", { ids: JSON.parse(ids) }),
  discard: ({ ids }) => change("jobs/discard", { ids: JSON.parse(ids) }),
};

export const dead = {
  title: () => "Dead letters",
  tools: (query, go) => filters(query, go, false),
  async show({ query, may_change }) {
    const found = await get("jobs", { ...asked_for(query), state: "", dead: "true" });
    const ids = JSON.stringify(found.jobs.map((one) => one.id));
    const of_one = (one) => make("span", { class: "buttons" }, letter_buttons(one));
    return [
      may_change && found.jobs.length > 1 && make("p", { class: "buttons" }, button(`Requeue these ${found.jobs.length}`, "requeue", { ids }),
        button(`Discard these ${found.jobs.length}`, "discard", { ids, sure: `Discard these ${many(found.jobs.length)}? They are gone for good.` }, "danger")),
      table("Dead letters", [...columns, ["Error", (one) => (one.error ? `${one.error.type}: ${short(one.error.message, 80)}` : "")],
        ...(may_change ? [["", of_one]] : [])], found.jobs, "No dead letters."),
      older("dead", query, found.next),
    ];
  },
  acts: letter_acts,
};

export const job = {
  title: (id) => `Job ${brief(id)}`,
  async show({ one: id, may_change }) {
    const one = await get(`jobs/${encodeURIComponent(id)}`).catch((error) => {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    });
    const back = make("p", {}, make("a", { href: "#/jobs" }, "All jobs"), " · ", make("a", { href: "#/dead" }, "Dead letters"));
    if (!one) return [back, make("p", {}, "There is no such job, or no longer.")];
    const to_job = (other) => other && make("a", { href: `#/jobs/${encodeURIComponent(other)}` }, other);
    return [
      back,
      may_change && make("p", { class: "buttons" },
        !one.ready && button("Cancel", "cancel", { id, sure: `Cancel ${one.task} ${brief(id)}?` }, "danger"),
        one.dead && letter_buttons(one)),
      facts([["Id", make("code", {}, one.id)], ["Task", one.task], ["Queue", one.queue], ["State", state_of(one)],
             ["Worker", one.worker], ["Priority", String(one.priority)], ["Retries", String(one.retries)], ["Retries at most", one.max_retries < 0 ? "any number" : String(one.max_retries)],
             ["Lost with its worker", one.losses ? `${one.losses} times` : ""], ["Cancelled", one.cancelled ? "yes" : ""],
             ["Parent", to_job(one.parent)], ["Root", one.root === one.id ? "" : to_job(one.root)], ["Group", one.group],
             ["Correlation id", one.correlation_id && make("code", {}, one.correlation_id)],
             ["Trace id", one.trace_id && make("code", {}, one.trace_id)]]),
      make("p", {}, "In the log: ", in_log(one.id, "by its id"), one.correlation_id && [" · ", in_log(one.correlation_id, "by its correlation id")]),
      one.progress !== undefined && make("section", {}, make("h2", {}, "Progress"), json(one.progress)),
      make("section", {}, make("h2", {}, "Timeline"), timeline(one)),
      one.error && make("section", {}, make("h2", {}, "Error"), error_of(one.error)),
      one.result !== undefined && make("section", {}, make("h2", {}, "Result"), json(one.result)),
      make("section", {}, make("h2", {}, "Arguments"), json({ args: one.args, kwargs: one.kwargs })),
      one.headers && make("section", {}, make("h2", {}, "Headers"), json(one.headers)),
    ];
  },
  acts: {
    cancel: ({ id }) => change(`jobs/${encodeURIComponent(id)}/cancel`),
    ...letter_acts,
  },
};

const error_of = (error) => [make("p", { class: "bad" }, `${error.type}: ${error.message}`), error.trace && make("pre", {}, error.trace)];

function timeline(one) {
  const points = [[one.enqueued_ms, "Enqueued"]];
  for (const each of one.history) { // the attempts that failed, at most the last 10 of them
    points.push([each.began_ms, [`Failed${each.worker ? ` on ${each.worker}` : ""} after ${duration(each.ended_ms - each.began_ms)}`,
                                 each.error && make("span", { class: "bad" }, ` ${each.error.type}: ${each.error.message}`)]]);
  }
  if (one.began_ms && !points.some(([at, what]) => at === one.began_ms && what !== "Enqueued"))
    points.push([one.began_ms, ["Began", one.worker && ` on ${one.worker}`]]);
  if (one.ended_ms) points.push([one.ended_ms, ["Over: ", state_of(one)]]);
  else if (one.due_ms) points.push([one.due_ms, "Due"]);
  if (one.expires_ms && !one.ended_ms) points.push([one.expires_ms, "Expires"]);
  const kept = one.history.length;
  return [kept >= 10 && make("p", { class: "soft" }, `Of the attempts that failed, the last ${kept} are kept.`),
    make("ol", { class: "timeline" }, points.filter(([at]) => at).sort(([a], [b]) => a - b).map(([at, what]) => make("li", {}, time(at), " ", what)))];
}
