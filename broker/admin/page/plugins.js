import { get } from "./api.js";
import { duration, facts, make, number, table } from "./dom.js";

function fine(seconds) {
  if (seconds < 1e-3) return `${Math.round(seconds * 1e6)} µs`;
  return seconds < 1 ? `${(seconds * 1e3).toPrecision(3)} ms` : duration(seconds * 1e3);
}
// A histogram's last bound is all that is known of what lies beyond it.
const quantile = (each, name) => (each[name] === null ? "" : each[name] >= each.most_s ? `over ${fine(each.most_s)}` : fine(each[name]));

const one_plugin = (each) => make("section", {},
  make("h2", {}, each.id, " ", make("span", { class: "soft" }, each.version)),
  each.summary && make("p", { class: "soft" }, each.summary),
  facts([["Failed calls", number(each.errors)], ["Slow handlers", number(each.slow)], ["File", make("code", {}, each.path)]]),
  table(`Handlers of ${each.id}`, [
    ["Handler", (one) => (one.kind === "task" ? make("a", { href: `#/jobs?${new URLSearchParams({ task: one.name })}` }, one.name) : one.name)],
    ["Kind", (one) => one.kind],
    ["Route, channel or queue", (one) => make("code", {}, one.at)],
    ["Calls", (one) => (one.calls === null ? "not counted" : number(one.calls)), "number"],
    ["Mean", (one) => (one.mean_s === null ? "" : fine(one.mean_s)), "number"],
    ["p50", (one) => quantile(one, "p50_s"), "number"],
    ["p99", (one) => quantile(one, "p99_s"), "number"],
  ], each.handlers, "It has no handlers of its own."));

export const plugins = {
  title: () => "Plugins",
  async show() {
    const { plugins: all } = await get("plugins");
    return [make("p", { class: "soft" }, "Of this node, since it started. A task's calls are its attempts, wherever they ran."),
            all.length ? all.map(one_plugin) : make("p", { class: "soft" }, "No plugin is loaded.")];
  },
};
