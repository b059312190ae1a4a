import { get } from "./api.js";
import { make, search_field, state, table } from "./dom.js";

const most = 1000; // lines on the page
const levels = [["", "every level"], ["info", "info and worse"], ["warn", "warnings and errors"], ["error", "errors"]];
const kinds = { debug: "enabled", info: "info", warn: "paused", error: "failure" };
const ids = new Set(["request_id", "correlation_id", "job", "job_id", "trace_id"]);

let tail = {}; // of which filter, the next line's number, and what came so far: lines and gaps

function clock(ms) {
  const at = new Date(ms);
  const text = `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return make("time", { datetime: at.toISOString(), title: at.toLocaleString("en-GB") }, text);
}
const field = ([name, value]) => make("span", { class: "field" }, make("span", { class: "soft" }, `${name} `),
  ids.has(name) && value ? make("a", { href: `#/log?${new URLSearchParams({ text: value })}` }, value) : String(value));
const fields_of = (one) => Object.entries(one.fields).map((each) => [field(each), " "]);
const lines = (count) => `${count} ${count === 1 ? "line" : "lines"}`;

export const log = {
  title: () => "Log",
  follows: true, // stays at the end where that is in sight
  tools(query, go) {
    const asked = { ...query };
    const changed = (name, value) => {
      asked[name] = value;
      go({ ...asked });
    };
    const select = make("select", { id: "log_level", "aria-label": "Level" },
      levels.map(([value, name]) => make("option", { value, selected: (query.level ?? "") === value && "" }, name)));
    select.addEventListener("change", () => changed("level", select.value));
    return [select, search_field("log_text", "Text, request id, correlation id or job id", "text or id…", query.text ?? "", (value) => changed("text", value))];
  },
  async show({ query: { level, text } }) {
    const filter = JSON.stringify([level, text]);
    if (tail.filter !== filter) tail = { filter, lines: [] };
    const mine = tail, after = tail.next;
    const got = await get("log", { after: after === undefined ? "" : String(after), level, text });
    if (!got.kept) return make("p", { class: "soft" }, "This server keeps no lines of its log: log-tail-lines is 0.");
    if (mine.next === after) { // else another answer was faster
      if (got.next < after) mine.lines = []; // the server began anew
      if (got.lost) mine.lines.push({ gap: `${lines(got.lost)} lost: they were forgotten before this page asked` });
      if (got.skipped) mine.lines.push({ gap: `${lines(got.skipped)} before these ${after === undefined ? "fit, too" : "left out"}` });
      mine.lines = [...mine.lines, ...got.lines].slice(-most);
      mine.next = got.next;
    }
    return [
      got.unwritten > 0 && make("p", { class: "bad" }, `${lines(got.unwritten)} lost since the server started: its standard error is read too slowly.`),
      table("Log", [
        ["Time", (one) => (one.gap ? "" : clock(one.time_ms)), "tight"],
        ["Level", (one) => (one.gap ? "" : state(one.level, kinds[one.level])), "tight"],
        ["Event", (one) => (one.gap ? make("span", { class: "bad" }, "gap") : make("code", {}, one.event)), "tight"],
        ["Fields", (one) => one.gap ?? fields_of(one)],
      ], mine.lines, "No such line is kept. New ones appear by themselves."),
    ];
  },
};
