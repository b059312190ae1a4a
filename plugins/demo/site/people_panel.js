import { $, clock, make, paint_face } from "./dom.js";
import { guest } from "./log_view.js";
import { t } from "./text.js";

const name_of = (user, client) => user || guest(client);

// Who types, as a sentence; "" for nobody.
export function typing_text(room) {
  const known = new Map(room.here.map((each) => [each.client, each.user]));
  const names = [...room.typing.keys()].map((channel) => name_of(known.get(channel), channel));
  if (names.length === 0) return "";
  return names.length > 2 ? t("typing_many", { n: names.length }) : t(names.length === 2 ? "typing_two" : "typing_one", { who: names[0], other: names[1] });
}

// A time of today as a clock's, an older one with its day.
function when(ms) {
  const date = new Date(ms);
  const day = date.toDateString() === new Date().toDateString() ? "" :
    `${date.toLocaleDateString(document.documentElement.lang, { month: "short", day: "numeric" })}, `;
  return make("time", { datetime: date.toISOString(), text: day + clock(date) });
}

function line(name, note, ms, state) {
  const face = make("span", { class: "face", "aria-hidden": "true" });
  paint_face(face, name);
  const since = make("span", { class: "hint", text: note });
  if (Number.isFinite(ms)) since.append(" ", when(ms));
  return make("li", { "data-state": state }, face, make("span", { class: "person" }, make("span", { class: "title", text: name, dir: "auto" }), since),
    make("span", { class: "dot" }));
}

// Who is in the room now, and who was: several connections of one user are one line.
export function show_people(room) {
  const users = new Map();
  for (const each of room.here) {
    const key = each.user || each.client;
    const known = users.get(key) ?? { ...each, tabs: 0 };
    known.tabs += 1;
    known.since = Math.min(known.since, each.since);
    known.you ||= each.client === room.you;
    users.set(key, known);
  }
  const here = [...users.values()].sort((a, b) => Boolean(b.you) - Boolean(a.you) || a.since - b.since);
  $("here_list").replaceChildren(...here.map((each) => line(
    name_of(each.user, each.client) + (each.you ? ` (${t("you").toLowerCase()})` : ""),
    each.tabs > 1 ? t("here_tabs", { n: each.tabs }) : t("here_since"), each.since, "open")));
  $("seen_list").replaceChildren(...room.seen.map((each) => line(each.user, t("seen_at"), each.time, "idle")));
  $("seen").hidden = room.seen.length === 0;
  $("people_count").textContent = users.size;
  $("people_button").setAttribute("aria-label", t("people_n", { n: users.size }));
  $("people_button").title = t("people_n", { n: users.size });
  $("people_empty").hidden = users.size > 0;
}
