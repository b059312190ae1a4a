import { Connection } from "./connection.js";
import { $, make, server_is_up } from "./dom.js";
import { socket_url } from "./protocol.js";
import { t } from "./text.js";

const most_reports = 6;
const ask_again_ms = 3_000; // without a connection to be told by
const over = new Set(["SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"]);

// Which reports this browser asked for: in localStorage, so that a reload, and the next day, find them.
const memory = {
  get() { try { return JSON.parse(localStorage.getItem("reports")) ?? []; } catch { return []; } },
  set(list) { try { localStorage.setItem("reports", JSON.stringify(list)); } catch { /* then they last until the next reload */ } },
};

const is_over = (report) => over.has(report.state) || report.gone;
const link_is_over = (url) => Number(new URL(url, location.href).searchParams.get("expires")) * 1000 < Date.now() + 5_000;

// Reports: ordered here, made by a worker, told of over /ws/notify/. `on_ready(report)` when one came while we wait.
export function start_reports_panel({ on_ready, announce }) {
  let token = "";
  let user = "";
  let connection = null;
  let timer = 0;
  let reports = memory.get().map((each) => ({ page: 0, state: "PENDING", ...each }));
  const cards = new Map(); // id -> elements

  const mine = () => reports.filter((report) => (report.user ?? "") === user);
  const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});
  const keep = () => memory.set(reports.map(({ id, title, pages, user: whose }) => ({ id, title, pages, user: whose })));

  // --- what is shown

  function words(report) {
    if (report.gone) return t("report_gone");
    if (report.state === "SUCCESS") return t("report_ready", { n: report.pages });
    if (over.has(report.state)) return t("report_failed");
    if (report.page > 0) return t("report_page", { page: report.page, pages: report.pages });
    return t(report.state === "RETRY" ? "report_retry" : "report_waits");
  }

  function card_of(report) {
    if (cards.has(report.id)) return cards.get(report.id);
    const bar = make("progress", { max: report.pages, "aria-label": report.title });
    const state = make("p", { class: "hint" });
    const link = make("a", { class: "download", role: "link", "aria-disabled": "true" });
    const remove = make("button", { class: "plain leave", type: "button", text: "×" });
    const item = make("li", { class: "report" }, make("p", { class: "title", text: report.title, dir: "auto" }), remove, bar, state, link);
    link.addEventListener("click", (event) => fetch_file(event, report, link));
    remove.addEventListener("click", () => forget(report));
    const card = { item, bar, state, link, remove };
    cards.set(report.id, card);
    return card;
  }

  function show() {
    const shown = mine();
    for (const report of shown) {
      const { item, bar, state, link, remove } = card_of(report);
      const ready = report.state === "SUCCESS" && !report.gone;
      item.dataset.state = ready ? "ready" : is_over(report) ? "failed" : report.page > 0 ? "working" : "waiting";
      bar.max = report.pages;
      if (ready || report.page > 0 || is_over(report)) bar.value = ready ? report.pages : report.page;
      if (state.textContent !== words(report)) state.textContent = words(report);
      link.textContent = t("report_download");
      link.setAttribute("aria-label", t("report_download_of", { title: report.title }));
      if (ready && report.url) link.href = report.url;
      else link.removeAttribute("href");
      link.toggleAttribute("download", ready);
      link.setAttribute("aria-disabled", !ready);
      remove.setAttribute("aria-label", t("report_forget", { title: report.title }));
      remove.title = t("report_forget", { title: report.title });
      remove.hidden = !is_over(report);
    }
    const items = shown.map((report) => cards.get(report.id).item);
    const list = $("report_list");
    if (items.length !== list.children.length || items.some((item, i) => list.children[i] !== item)) list.replaceChildren(...items);
    $("report_empty").hidden = items.length > 0;
  }

  // --- what is known

  function learn(id, news) {
    const report = reports.find((each) => each.id === id);
    if (!report || (over.has(report.state) && !news.url)) return;
    const was_over = is_over(report);
    // News may overtake each other: a page that is done stays done.
    Object.assign(report, news, { page: Math.max(report.page, news.page ?? 0) });
    if (!was_over && report.state === "SUCCESS") {
      announce(t("report_ready_of", { title: report.title }));
      on_ready(report);
    }
    show();
    listen();
  }

  async function ask(report) {
    try {
      const answer = await fetch(`/api/reports/${encodeURIComponent(report.id)}/`, { headers: headers(), cache: "no-store", signal: AbortSignal.timeout(5_000) });
      if (answer.status === 404) return learn(report.id, { gone: true });
      if (!answer.ok) return;
      const { state, page, pages, url } = await answer.json();
      learn(report.id, { state, page, pages, url });
    } catch { /* no server: asked again when it is back */ }
  }

  const ask_all = () => Promise.all(mine().filter((report) => !report.gone && (!is_over(report) || !report.url)).map(ask));

  function heard(data) {
    let news;
    try { news = JSON.parse(data); } catch { return; }
    if (news?.event === "pdf_ready") learn(news.id, { state: "SUCCESS", url: news.url });
    if (news?.event !== "job") return;
    if (news.state === "PROGRESS") learn(news.id, { state: "STARTED", page: news.progress?.page });
    else if (news.state === "SUCCESS") learn(news.id, { state: "SUCCESS", url: news.result?.url });
    else if (over.has(news.state)) learn(news.id, { state: news.state });
  }

  function hang_up() {
    const old = connection;
    connection = null;
    old?.stop();
  }

  // Connected while something is being made; without a connection the server is asked now and then.
  function listen() {
    const waits = mine().some((report) => !is_over(report));
    clearTimeout(timer);
    if (!waits) {
      if (connection?.state !== "connecting") hang_up(); // browsers complain of a socket closed before it opened
      return;
    }
    if (connection?.state !== "open") timer = setTimeout(() => ask_all().then(listen), ask_again_ms);
    if (connection) return;
    connection = new Connection({
      url: socket_url(`/ws/notify/${token && `?token=${encodeURIComponent(token)}`}`), server_is_up, on_frame: heard,
      on_state: () => {
        if (connection?.state === "open") ask_all(); // what was told before we could hear it
        if (connection && connection.state !== "connecting") listen();
      },
    });
    connection.start();
  }

  // --- what can be done

  $("report_form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const title = $("report_title").value.trim() || t("report_example");
    const pages = Number($("report_pages").value);
    $("report_error").textContent = "";
    $("report_make").disabled = true;
    try {
      const answer = await fetch("/api/reports/", {
        method: "POST", headers: { "Content-Type": "application/json", ...headers() }, body: JSON.stringify({ title, pages }),
        signal: AbortSignal.timeout(10_000),
      });
      const made = await answer.json();
      if (!answer.ok) throw new Error(made.error ?? answer.status);
      reports.unshift({ id: made.id, title, pages, user, page: 0, state: "PENDING" });
      for (const old of reports.splice(most_reports)) cards.delete(old.id);
      keep();
      announce(t("report_taken", { title }));
      show();
      listen();
    } catch (error) {
      $("report_error").textContent = t("report_refused", { why: error.message });
    }
    $("report_make").disabled = false;
    $("report_make").focus();
  });

  async function fetch_file(event, report, link) {
    if (link.getAttribute("aria-disabled") === "true") return event.preventDefault();
    if (!link_is_over(report.url)) return;
    event.preventDefault();
    await ask(report);
    if (!report.gone && !link_is_over(report.url)) link.click();
  }

  function forget(report) {
    const next = cards.get(report.id).item.nextElementSibling ?? cards.get(report.id).item.previousElementSibling;
    reports = reports.filter((each) => each !== report);
    cards.delete(report.id);
    keep();
    show();
    (next?.querySelector("a[href], button:not([hidden])") ?? $("report_title")).focus();
  }

  addEventListener("online", () => connection?.state === "waiting" && connection.start());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask_all(); });
  show();
  ask_all();
  listen();
  return {
    translate() { show(); },
    // Who we are from now on; "" for nobody.
    sign_in(next, name) {
      token = next;
      user = name;
      hang_up();
      show();
      ask_all();
      listen();
    },
  };
}
