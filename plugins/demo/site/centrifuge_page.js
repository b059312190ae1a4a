// The room of the first page through the unmodified npm package `centrifuge`: recovery, presence, history, join and leave
// are the package's and the server's; what is here is how they are shown.
import { $, grow, server_is_up } from "./dom.js";
import { LogView } from "./log_view.js";
import { memory, own_name } from "./names.js";
import { show_people, typing_text } from "./people_panel.js";
import { clean_title, compose, group_of, socket_url, split_author } from "./protocol.js";
import { language, t, translate } from "./text.js";

const history_limit = 50;
const typing_shown_ms = 3_000;
const typing_told_ms = 1_500;

function title_in_address() {
  try { return clean_title(decodeURIComponent(location.hash.slice(1))); } catch { return ""; }
}

language.now = memory.get("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
const name = own_name();
const wanted = new URL(location).searchParams.get("transport") ?? "";
const room = { title: title_in_address() || "madang", here: [], seen: [], you: "", typing: new Map() };
const log = new LogView(room, { on_away: () => {}, on_again: (entry) => { entry.status = "sending"; deliver(entry); } });
const mine = []; // sent by this window, and not yet seen to come back
let state = "connecting";
let reason = "";
let held = null; // publications that came while history was on its way
let top = 0; // the offset shown last, in
let epoch = null; // this stream
let typing_told = 0;
let centrifuge = null;

// --- what is shown ----------------------------------------------------------------------------------------------------

function show_state() {
  $("state").dataset.state = state;
  $("state_text").textContent = t(state === "waiting" ? "waiting_now" : state, { code: reason });
  $("transport").hidden = state !== "open";
}

function show_typing() {
  const text = typing_text(room);
  $("typing_text").textContent = text;
  $("typing").dataset.shown = text !== "";
}

function forget_typing() {
  for (const timer of room.typing.values()) clearTimeout(timer);
  room.typing.clear();
  show_typing();
}

function show_publication({ data, offset }, at) {
  if (offset) top = offset;
  if (typeof data?.typing === "string") return at && someone_types(data.typing);
  if (typeof data?.message !== "string") return;
  const own = mine.findIndex((entry) => entry.raw === data.message);
  if (own >= 0) {
    const [entry] = mine.splice(own, 1);
    entry.status = "sent";
    return log.put(entry);
  }
  if (room.typing.size) forget_typing();
  const said = split_author(data.message);
  log.put({ kind: "message", ...said, own: !at && said.author === name, raw: data.message, at, status: "sent" });
}

function someone_types(channel) {
  if (channel === room.you) return;
  clearTimeout(room.typing.get(channel));
  room.typing.set(channel, setTimeout(() => { room.typing.delete(channel); show_typing(); }, typing_shown_ms));
  show_typing();
}

function note(client, what) {
  log.put({ kind: "system", channel: client, what, text: `${client} ${what}`, own: false, at: new Date(), status: "sent" });
  ask_who();
}

// --- the room ---------------------------------------------------------------------------------------------------------

async function ask_who() {
  try {
    const { data } = await centrifuge.rpc("chat.who", { room: room.title });
    Object.assign(room, data);
    show_people(room);
  } catch { /* asked again with the next change */ }
}

// What was missed comes by itself when the subscription recovers; otherwise the room is read anew.
async function begin(subscription, { recovered }) {
  if (!recovered) {
    held = [];
    try {
      const page = await subscription.history({ limit: history_limit, reverse: true });
      if (page.epoch !== epoch) top = 0;
      epoch = page.epoch;
      for (const each of page.publications.filter(({ offset }) => offset > top).reverse()) show_publication(each, null);
    } catch (error) {
      log.put({ kind: "error", text: error.message, own: false, at: new Date(), status: "sent" });
    }
    const waiting = held;
    held = null;
    for (const each of waiting) if (!each.offset || each.offset > top) show_publication(each, new Date());
  }
  ask_who();
}

async function deliver(entry) {
  log.put(entry);
  mine.push(entry);
  try {
    await centrifuge.rpc("chat.say", { room: room.title, message: entry.raw });
  } catch (error) {
    const at = mine.indexOf(entry);
    if (at < 0) return; // it has come back already
    mine.splice(at, 1);
    entry.status = error.code >= 400 ? "refused" : "lost"; // the package's own errors are below: timeouts, no connection
    entry.note = error.message;
    log.put(entry);
  }
}

function start() {
  const endpoints = [
    { transport: "websocket", endpoint: socket_url("/connection/websocket") },
    { transport: "http_stream", endpoint: `${location.origin}/connection/http_stream` },
    { transport: "sse", endpoint: `${location.origin}/connection/sse` },
  ];
  centrifuge = new globalThis.Centrifuge(endpoints.filter(({ transport }) => !wanted || transport === wanted),
                                         { emulationEndpoint: `${location.origin}/emulation` });
  centrifuge.on("connecting", ({ code }) => { state = code === 0 ? "connecting" : "waiting"; room.here = []; show_people(room); forget_typing(); show_state(); });
  centrifuge.on("connected", ({ transport, client }) => {
    state = "open";
    room.you = client;
    $("transport").textContent = t(transport);
    show_state();
  });
  centrifuge.on("disconnected", ({ code }) => { state = "ended"; reason = code; show_state(); });
  const subscription = centrifuge.newSubscription(group_of(room.title), { recoverable: true, joinLeave: true });
  subscription.on("publication", (publication) => (held ? held.push(publication) : show_publication(publication, new Date())));
  subscription.on("join", ({ info }) => note(info.client, "joined"));
  subscription.on("leave", ({ info }) => note(info.client, "left"));
  subscription.on("subscribed", (context) => begin(subscription, context));
  subscription.on("unsubscribed", ({ code }) => { state = "refused"; reason = code; show_state(); });
  subscription.subscribe();
  centrifuge.connect();
}

// --- the page ---------------------------------------------------------------------------------------------------------

function say() {
  const text = $("say").value.replace(/\s+$/, "");
  if (!text.trim()) return;
  $("say").value = "";
  typing_told = 0;
  grow($("say"));
  deliver({ kind: "message", own: true, author: name, text, raw: compose(name, text), at: new Date(), status: "sending" });
  log.to_end();
}

$("composer").addEventListener("submit", (event) => { event.preventDefault(); say(); $("say").focus(); });
$("say").addEventListener("keydown", (event) => { // as on the first page: not while an input method composes
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  say();
});
$("say").addEventListener("input", () => {
  grow($("say"));
  const now = Date.now();
  if (state !== "open" || !$("say").value.trim() || now - typing_told < typing_told_ms) return;
  typing_told = now;
  centrifuge.rpc("chat.typing", { room: room.title }).catch(() => {});
});
$("wanted").value = wanted;
$("wanted").addEventListener("change", () => {
  const next = new URL(location);
  next.searchParams.set("transport", $("wanted").value);
  if (!$("wanted").value) next.searchParams.delete("transport");
  location.assign(next);
});
addEventListener("hashchange", () => location.reload());

function show_panel(open) {
  $("people").hidden = !open;
  $("people_button").setAttribute("aria-expanded", open);
  if (open) document.body.dataset.panel = "people";
  else delete document.body.dataset.panel;
  (open ? $("here_list") : $("people_button")).focus();
}
$("people_button").addEventListener("click", () => show_panel($("people").hidden));
$("people_close").addEventListener("click", () => show_panel(false));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && !$("people").hidden) show_panel(false);
});

function speak(next) {
  language.now = next;
  memory.set("language", next);
  translate(document);
  log.translate();
  $("language").textContent = next === "ko" ? "English" : "한국어";
  $("language").lang = language.other();
  $("say").placeholder = t("say_as", { name });
  show_people(room);
  show_state();
}
$("language").addEventListener("click", () => speak(language.other()));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("say").focus(); });

$("room_title").textContent = room.title;
$("other_page").href = `./#${encodeURIComponent(room.title)}`;
document.title = `${room.title} · Madang · centrifuge`;
$("logs").append(log.element);
log.element.hidden = false;
speak(language.now);
if (globalThis.Centrifuge) {
  start();
} else {
  state = await server_is_up() ? "idle" : "waiting";
  show_state();
  $("missing").hidden = false;
  for (const id of ["composer", "logs", "typing"]) $(id).hidden = true;
}
