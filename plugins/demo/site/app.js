import { $, copy, grow, make, paint_face, server_is_up } from "./dom.js";
import { LogView } from "./log_view.js";
import { memory, own_name } from "./names.js";
import { start_notify_panel } from "./notify_panel.js";
import { show_people, typing_text } from "./people_panel.js";
import { clean_name, clean_title } from "./protocol.js";
import { start_reports_panel } from "./reports_panel.js";
import { Room } from "./room.js";
import { language, t, translate } from "./text.js";

const first_room = "madang";
const narrow = matchMedia("(max-width: 51.99rem)");
const rooms = new Map(); // title -> { room, log, item, draft }
let active = null;
let notify_unread = 0;
let reports_unread = 0; // ready, and not seen yet
let token = ""; // who we are, once the server has accepted it

// --- rooms ---------------------------------------------------------------------------------------------------------

const view = {
  entry(room, entry) {
    const open = rooms.get(room.title);
    if (open?.room !== room) return;
    open.log.put(entry);
    const seen = open === active && !document.hidden;
    if (entry.kind === "message" && !entry.own && !entry.past && !seen) {
      room.unread += 1;
      show_unread();
    }
    if (open === active && !open.log.at_end()) $("newer").hidden = false;
  },
  state(room) {
    const open = rooms.get(room.title);
    if (open?.room !== room) return;
    open.item.dataset.state = room.connection.state;
    if (open !== active) return;
    show_state();
    show_people(room); // nobody can be seen without a connection
    announce(t(`say_${room.connection.state}`, { room: room.title }));
  },
  who(room) { if (room === active?.room) show_people(room); },
  typing(room) { if (room === active?.room) show_typing(); },
};
const around = { server_is_up, my_name: () => $("name").value, token: () => token };

function open_room(title) {
  if (!rooms.has(title)) {
    const room = new Room(title, view, around);
    const log = new LogView(room, {
      on_away: (away) => { if (active?.room === room && !away) $("newer").hidden = true; },
      on_again: (entry) => room.say_again(entry),
    });
    const enter = make("button", { class: "enter", type: "button" }, make("span", { class: "dot" }),
      make("span", { class: "title", text: title, dir: "auto" }), make("span", { class: "count", hidden: "" }));
    const leave = make("button", { class: "plain leave", type: "button", text: "×" });
    const item = make("li", { "data-state": "idle" }, enter, leave);
    enter.addEventListener("click", () => { switch_to(title); close_panels(); if (!narrow.matches) $("say").focus(); });
    leave.addEventListener("click", () => leave_room(title));
    rooms.set(title, { room, log, item, draft: "" });
    $("room_list").append(item);
    $("logs").append(log.element);
    room.connection.start();
  }
  switch_to(title);
  label_rooms();
}

function switch_to(title) {
  if (active) active.draft = $("say").value;
  active = rooms.get(title);
  for (const { log, item } of rooms.values()) {
    const on = log === active.log;
    log.element.hidden = !on;
    item.querySelector(".enter").toggleAttribute("aria-current", on);
  }
  active.room.unread = 0;
  $("room_title").textContent = title;
  $("say").value = active.draft;
  $("newer").hidden = true;
  history.replaceState(null, "", `#${encodeURIComponent(title)}`);
  $("other_page").href = `centrifuge.html#${encodeURIComponent(title)}`;
  memory.set("rooms", JSON.stringify([...rooms.keys()]));
  active.log.to_end();
  grow($("say"));
  show_people(active.room);
  show_state();
  show_unread();
}

function leave_room(title) {
  const { room, log, item } = rooms.get(title);
  const neighbour = item.previousElementSibling ?? item.nextElementSibling;
  if (!neighbour) return; // the last one stays
  rooms.delete(title);
  room.leave();
  log.element.remove();
  item.remove();
  const next = active.room === room ? [...rooms.values()].find((open) => open.item === neighbour) : active;
  switch_to(next.room.title);
  label_rooms();
  neighbour.querySelector(".enter").focus();
}

function label_rooms() {
  for (const [title, { item }] of rooms) {
    const leave = item.querySelector(".leave");
    leave.setAttribute("aria-label", t("leave", { room: title }));
    leave.title = t("leave", { room: title });
    leave.hidden = rooms.size === 1;
  }
}

// --- what is shown of connections and unread messages ---------------------------------------------------------------

function show_count(badge, n) {
  badge.hidden = n === 0;
  badge.textContent = n > 99 ? "99+" : n;
  badge.setAttribute("aria-label", t("unread", { n }));
}

function show_unread() {
  let total = 0;
  for (const { room, item } of rooms.values()) {
    show_count(item.querySelector(".count"), room.unread);
    total += room.unread;
  }
  show_count($("rooms_unread"), total);
  show_count($("notify_unread"), notify_unread);
  show_count($("reports_unread"), reports_unread);
  document.title = `${total ? `(${total}) ` : ""}${active.room.title} · Madang`;
}

function show_state() {
  const { connection } = active.room;
  const seconds = Math.ceil((connection.retry_at - Date.now()) / 1000);
  let text = t(connection.state, { code: connection.close_code, s: seconds });
  if (connection.state === "waiting" && seconds < 1) text = t("waiting_now");
  if (connection.state === "waiting" && !navigator.onLine) text = t("offline");
  $("state").dataset.state = connection.state;
  if ($("state_text").textContent !== text) $("state_text").textContent = text;
  $("state").title = connection.close_reason;
  $("transport").hidden = connection.state !== "open";
  $("transport").textContent = t(connection.transport);
  $("transport").title = t("transport_note", { transport: t(connection.transport) });
  show_typing();
  $("retry").hidden = !["waiting", "refused", "ended"].includes(connection.state);
}

function show_typing() {
  const text = active.room.connection.state === "open" ? typing_text(active.room) : "";
  if ($("typing_text").textContent !== text) $("typing_text").textContent = text;
  $("typing").dataset.shown = text !== "";
}

function announce(text) {
  $("announce").textContent = text;
}

function retry_all() {
  for (const { room } of rooms.values()) if (room.connection.state === "waiting") room.connection.start();
}

setInterval(() => { if (active.room.connection.state === "waiting") show_state(); }, 500);
addEventListener("online", retry_all);
addEventListener("offline", show_state);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  active.room.unread = 0;
  show_unread();
});
$("retry").addEventListener("click", () => { active.room.connection.start(); retry_all(); $("say").focus(); });

// --- saying something -------------------------------------------------------------------------------------------------

function say() {
  const text = $("say").value.replace(/\s+$/, "");
  if (!text.trim()) return;
  if (!active.room.say($("name").value, text)) return announce(t("full"));
  $("say").value = "";
  grow($("say"));
  active.log.to_end();
}

$("composer").addEventListener("submit", (event) => { event.preventDefault(); say(); $("say").focus(); });
$("say").addEventListener("input", () => {
  grow($("say"));
  if ($("say").value.trim()) active.room.write();
});
// Enter that ends an IME composition belongs to the composition: isComposing, or key code 229 where a browser ends the
// composition before the key event.
$("say").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  say();
});
$("newer").addEventListener("click", () => { active.log.to_end(); $("newer").hidden = true; $("say").focus(); });
$("share").addEventListener("click", async () => { if (await copy(location.href)) announce(t("copied")); });

function set_name(name) {
  $("name").value = name;
  memory.set("name", name);
  paint_face($("my_face"), name);
  $("say").placeholder = t("say_as", { name });
}
$("name").addEventListener("change", () => set_name(clean_name($("name").value) || $("name").defaultValue));
$("name").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.isComposing) { $("name").blur(); close_panels(); $("say").focus(); }
});

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const title = clean_title($("join_name").value);
  if (!title) return;
  $("join_name").value = "";
  open_room(title);
  close_panels();
  $("say").focus();
});

// --- panels -----------------------------------------------------------------------------------------------------------
// On a wide screen the rooms always stand beside the talk; on a narrow one both panels slide over it and hold the focus.

const panels = ["rooms", "notify", "reports", "people"];
let opener = null;

function show_panels() {
  const shown = document.body.dataset.panel ?? "";
  for (const name of ["notify", "reports", "people"]) $(name).hidden = shown !== name;
  $("rooms").inert = narrow.matches && shown !== "rooms";
  const covered = narrow.matches && shown !== "";
  for (const e of [$("room"), ...document.querySelectorAll(".skip, .roof")]) e.inert = covered;
  for (const name of panels) $(`${name}_button`).setAttribute("aria-expanded", shown === name);
}

function open_panel(name) {
  opener = $(`${name}_button`);
  document.body.dataset.panel = name;
  if (name === "notify") notify_unread = 0;
  if (name === "reports") reports_unread = 0;
  show_unread();
  show_panels();
  if (name === "people") active.room.ask_who();
  ({ notify: $("token"), reports: $("report_title"), people: $("here_list") }[name] ?? rooms.get(active.room.title).item.querySelector(".enter")).focus();
}

function close_panels() {
  if (!document.body.dataset.panel) return;
  delete document.body.dataset.panel;
  show_panels();
  opener?.focus();
}

for (const name of panels) {
  $(`${name}_button`).addEventListener("click", () => document.body.dataset.panel === name ? close_panels() : open_panel(name));
}
for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", close_panels);
$("veil").addEventListener("click", close_panels);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  if (document.body.dataset.panel) close_panels();
  else $("say").focus();
});
narrow.addEventListener("change", show_panels);

// --- beginning --------------------------------------------------------------------------------------------------------

const reports = start_reports_panel({
  announce,
  on_ready() {
    if (document.body.dataset.panel === "reports" && !document.hidden) return;
    reports_unread += 1;
    show_unread();
  },
});
const notify = start_notify_panel({
  on_user(accepted, name) { // the same person in the rooms
    if (token === accepted) return;
    token = accepted;
    reports.sign_in(accepted, name);
    for (const { room } of rooms.values()) room.rejoin();
  },
  on_arrival() {
    if (document.body.dataset.panel === "notify" && !document.hidden) return;
    notify_unread += 1;
    show_unread();
  },
});

function speak(next) {
  language.now = next;
  memory.set("language", next);
  translate(document);
  for (const { log } of rooms.values()) log.translate();
  $("language").textContent = next === "ko" ? "English" : "한국어";
  $("language").lang = language.other();
  $("say").placeholder = t("say_as", { name: $("name").value });
  notify.translate();
  reports.translate();
  label_rooms();
  if (active) { show_people(active.room); show_state(); show_unread(); }
}
$("language").addEventListener("click", () => speak(language.other()));

function title_in_address() {
  try {
    return clean_title(decodeURIComponent(location.hash.slice(1)));
  } catch { // not UTF-8
    return "";
  }
}
addEventListener("hashchange", () => { const title = title_in_address(); if (title) open_room(title); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("say").focus(); });

speak(memory.get("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en"));
set_name(own_name());
$("name").defaultValue = $("name").value;
let remembered = [];
try { remembered = JSON.parse(memory.get("rooms")) ?? []; } catch { /* begin anew */ }
const wanted = title_in_address();
for (const title of remembered) open_room(title);
if (wanted || rooms.size === 0) open_room(wanted || first_room);
show_panels();
if (!narrow.matches) $("say").focus();
