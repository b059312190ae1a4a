import { Connection } from "./connection.js";
import { $, clock, copy, make, server_is_up } from "./dom.js";
import { socket_url } from "./protocol.js";
import { t } from "./text.js";

const longest_list = 100;

function claims_of(token) {
  try {
    const bytes = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))));
  } catch {
    return {};
  }
}

// What a notification says first; the whole of it is shown beneath.
function headline(value) {
  if (typeof value === "string") return value;
  for (const key of ["title", "message", "text", "body", "notification", "type"]) {
    if (typeof value?.[key] === "string") return value[key];
  }
  return JSON.stringify(value);
}

// The notifications of one user, whose token lives in this object only.
export function start_notify_panel({ on_arrival, on_user }) {
  let connection = null;
  let claims = {};

  function show() {
    const state = connection?.state ?? "idle";
    $("notify_state").dataset.state = state;
    const expired = state === "refused" && claims.exp * 1000 < Date.now();
    $("notify_text").textContent = expired ? t("notify_expired")
      : t(`notify_${state}`, { user: claims.sub ?? t("this_user"), code: connection?.close_code });
    const busy = ["connecting", "open", "waiting"].includes(state);
    $("notify_connect").textContent = t(busy ? "disconnect" : "connect");
    $("token").readOnly = busy;
    if (state === "open") on_user(connection.token, claims.sub);
    if (state === "idle" && connection) on_user("", "");
  }

  function arrived(data) {
    let value = data;
    try {
      value = JSON.parse(data);
    } catch { /* shown as the text it is */ }
    if (value?.event === "job") return; // progress: reports_panel.js shows it
    const now = new Date();
    const line = make("li", {}, make("p", { class: "text", text: headline(value), dir: "auto" }),
      make("time", { datetime: now.toISOString(), text: clock(now) }));
    if (typeof value === "object" && value !== null) line.append(make("code", { text: JSON.stringify(value, null, 1) }));
    $("notify_list").prepend(line);
    while ($("notify_list").children.length > longest_list) $("notify_list").lastElementChild.remove();
    on_arrival();
  }

  $("notify_form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (connection && ["connecting", "open", "waiting"].includes(connection.state)) return connection.stop();
    const token = $("token").value.trim();
    claims = claims_of(token);
    connection = new Connection({
      url: socket_url(`/ws/notify/?token=${encodeURIComponent(token)}`), server_is_up, on_state: show, on_frame: arrived,
    });
    connection.token = token;
    connection.start();
  });
  $("copy_recipe").addEventListener("click", async () => {
    if (await copy($("recipe").textContent)) $("copy_recipe").textContent = t("copied");
  });
  addEventListener("online", () => connection?.state === "waiting" && connection.start());
  show();
  return { translate: show };
}
