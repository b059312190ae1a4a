// Who is signed in, which view is open (the address's #), and asking again every two seconds while somebody looks.
import { Away, Refused, current_session, query_text, sign_in, sign_out } from "./api.js";
import { charts } from "./charts.js";
import { $, make, morph_children } from "./dom.js";
import { group, groups } from "./groups.js";
import { dead, job, jobs } from "./jobs.js";
import { log } from "./log.js";
import { nodes } from "./nodes.js";
import { plugins } from "./plugins.js";
import { queues, schedules, workers } from "./queues.js";

const every_ms = 2_000;
const views = { nodes, charts, groups, queues, jobs, dead, schedules, workers, plugins, log };
const of_one = { groups: group, jobs: job };

let session = { signed_in: false, keys: true };
let shown = ""; // the address that the view is of
let timer = 0;
let round = 0; // which asking is the last one: answers to others are late

// #/groups?q=news and #/groups/news%3Akr
function where() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, one] = path.split("/");
  const known = Object.hasOwn(views, name) ? name : "nodes";
  const single = one !== undefined && Object.hasOwn(of_one, known);
  return { name: known, view: single ? of_one[known] : views[known], one: single ? decodeURIComponent(one) : undefined,
           query: Object.fromEntries(new URLSearchParams(query)) };
}
const is_new = (at) => shown !== `${at.name}/${at.one}`;

export function go(name, query) {
  history.replaceState(null, "", `#/${name}${query_text(query)}`);
  refresh();
}

function say_trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

function show_session(said) {
  session = said;
  $("sign_in").hidden = said.signed_in;
  for (const id of ["view", "nav", "me"]) $(id).hidden = !said.signed_in;
  $("key_form").hidden = !said.keys;
  $("no_keys").hidden = said.keys !== false;
  if (!said.signed_in) {
    shown = "";
    $("content").replaceChildren();
    document.title = "Madang admin";
    $("key").focus();
    return;
  }
  $("who").textContent = `${said.name} (${said.rights.includes("manage") ? "reads and changes" : "reads"})`;
  refresh();
}

async function refresh() {
  clearTimeout(timer);
  if (!session.signed_in || document.visibilityState !== "visible") return;
  const mine = (round += 1);
  const at = where();
  if (is_new(at)) begin(at);
  try {
    const context = { ...at, may_change: session.rights.includes("manage"), cluster: session.cluster };
    const content = await at.view.show(context);
    if (mine !== round) return;
    const page = document.documentElement;
    const at_end = page.scrollHeight - innerHeight - scrollY < 60;
    morph_children($("content"), [content].flat(Infinity).filter(Boolean));
    if (at.view.follows && at_end) scrollTo(0, page.scrollHeight);
    say_trouble("");
  } catch (error) {
    if (mine !== round) return;
    if (error instanceof Refused && error.status === 401) return show_session(await current_session().catch(() => session));
    say_trouble(in_words(error));
  }
  timer = setTimeout(refresh, at.view.every_ms ?? every_ms);
}

// What is neither the server's refusal nor its silence is a mistake of this page: its reader can tell us of it.
function in_words(error, again = "; asking again every two seconds") {
  if (error instanceof Refused) return error.message;
  if (error instanceof Away) return `The server does not answer${again}.`;
  console.error(error);
  return `This page made a mistake: ${error.message}`;
}

function show_tools(at) {
  $("tools").replaceChildren(...(at.view.tools?.(at.query, (query) => go(at.name, query)) ?? []));
}

function begin(at) {
  const title = at.view.title(at.one);
  $("title").textContent = title;
  document.title = `${title} · Madang admin`;
  $("content").replaceChildren();
  show_tools(at);
  for (const link of $("nav").children) {
    if (link.dataset.view === at.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown = `${at.name}/${at.one}`;
}

function is_sure(text) {
  $("sure_text").textContent = text;
  $("sure").returnValue = "no";
  $("sure").showModal();
  return new Promise((done) => $("sure").addEventListener("close", () => done($("sure").returnValue === "yes"), { once: true }));
}

$("nav").append(...Object.entries(views).map(([name, view]) => make("a", { href: `#/${name}`, "data-view": name }, view.title())));

$("view").addEventListener("click", async (event) => {
  const pressed = event.target.closest("[data-act]");
  if (!pressed || pressed.getAttribute("aria-disabled")) return;
  const { act, sure, ...data } = pressed.dataset;
  if (sure && !await is_sure(sure)) return;
  pressed.setAttribute("aria-disabled", "true");
  try {
    await where().view.acts[act](data);
    await refresh();
  } catch (error) {
    say_trouble(in_words(error));
  } finally {
    pressed.removeAttribute("aria-disabled");
  }
});
$("key_form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("key_error").textContent = "";
  try {
    show_session(await sign_in($("key").value));
    $("main").focus();
  } catch (error) {
    $("key_error").textContent = error instanceof Refused ? `Not signed in: ${error.message}.` : in_words(error, "");
  }
  $("key").value = "";
});
$("sign_out").addEventListener("click", async () => {
  try {
    show_session(await sign_out());
  } catch {
    show_session(await current_session().catch(() => session));
  }
});
document.querySelector(".skip").addEventListener("click", (event) => { // an address of its own would be another view
  event.preventDefault();
  $("main").focus();
});
addEventListener("hashchange", () => {
  say_trouble("");
  if (session.signed_in && !is_new(where())) show_tools(where()); // a link to the same view with another filter
  refresh();
});
document.addEventListener("visibilitychange", refresh);

for (let first = true; ; first = false) {
  try {
    show_session(await current_session());
    if (!first) say_trouble("");
    break;
  } catch (error) {
    say_trouble(in_words(error));
    await new Promise((done) => setTimeout(done, every_ms));
  }
}
