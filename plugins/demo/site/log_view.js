import { clock, hash_of, make, paint_face } from "./dom.js";
import { t } from "./text.js";

const longest_log = 300; // lines kept in the page; older ones are dropped
const near_end_px = 80;
const only_emoji = /^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\u200d\ufe0f]*){1,3}$/u;

// Channel names are long and unlovely.
export function guest(channel) {
  return t("guest", { tag: hash_of(channel).toString(36).slice(-4) });
}

// The lines of one room, oldest first; what awaits its answer stands at the end, so the rest keeps the server's order.
export class LogView {
  constructor(room, { on_away, on_again }) {
    this.room = room;
    this.on_again = on_again;
    this.lines = new Map(); // entry -> element
    this.list = make("ol", { class: "log", role: "log", tabindex: "0" });
    this.empty = make("div", { class: "empty" },
      make("img", { src: "yard.svg", alt: "", width: "360", height: "200" }),
      make("h3", { "data-text": "empty_title" }), make("p", { "data-text": "empty_text" }),
      make("a", { "data-text": "empty_link", target: "_blank", rel: "noopener" }));
    this.element = make("div", { class: "scroll", hidden: "" }, this.empty, this.list);
    this.element.addEventListener("scroll", () => on_away(!this.at_end()), { passive: true });
    this.translate();
  }

  translate() {
    this.list.setAttribute("aria-label", t("room_log", { room: this.room.title }));
    for (const e of this.empty.querySelectorAll("[data-text]")) e.textContent = t(e.dataset.text);
    this.empty.querySelector("a").href = `#${encodeURIComponent(this.room.title)}`;
    for (const [entry, line] of this.lines) {
      this.#fill(line, entry);
      this.#group(line);
    }
  }

  at_end() {
    return this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight < near_end_px;
  }

  to_end() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  // Adds the entry's line, or brings it up to date.
  put(entry) {
    const follow = this.at_end() || entry.status === "queued";
    const line = this.lines.get(entry) ?? make("li");
    const was_pending = line.classList.contains("pending");
    this.#fill(line, entry);
    const pending = line.classList.contains("pending");
    if (!line.parentNode || was_pending !== pending) {
      const left_behind = line.nextElementSibling;
      this.lines.delete(entry);
      this.lines.set(entry, line);
      this.list.insertBefore(line, pending ? null : this.list.querySelector(".pending"));
      this.#group(left_behind);
      this.#group(line.nextElementSibling);
    }
    while (this.lines.size > longest_log) {
      const [oldest, element] = this.lines.entries().next().value;
      this.lines.delete(oldest);
      element.remove();
      this.#group(this.list.firstElementChild);
    }
    this.#group(line);
    if (entry.kind === "message") this.empty.hidden = true;
    if (follow) this.to_end();
  }

  // A line whose author also wrote the one above goes without the name.
  #group(line) {
    if (!line) return;
    const above = line.previousElementSibling;
    line.classList.toggle("same", Boolean(above && line.dataset.who && above.dataset.who === line.dataset.who));
  }

  #fill(line, entry) {
    const pending = entry.status === "queued" || entry.status === "sending";
    line.className = entry.kind === "system" ? "system" : entry.kind === "error" ? "system refusal" : "message";
    line.classList.toggle("own", entry.own);
    line.classList.toggle("pending", pending);
    line.dataset.status = entry.status;
    if (entry.kind !== "message") return line.replaceChildren(this.#notice(entry));
    line.dataset.who = `${entry.own ? "me" : "other"}/${entry.author}`;
    const face = make("span", { class: "face", "aria-hidden": "true" });
    paint_face(face, entry.author);
    const text = make("p", { class: "text", text: entry.text, dir: "auto" });
    if (only_emoji.test(entry.text)) text.classList.add("emoji");
    // What history brought has no time.
    const time = entry.at ? [make("time", { datetime: entry.at.toISOString(), text: clock(entry.at) })] : [];
    const who = make("span", { class: "who", text: entry.own ? t("you") : entry.author, dir: "auto" });
    const body = make("div", { class: "body" }, who, make("div", { class: "row" }, text, ...time));
    if (pending) body.append(make("p", { class: "note", text: t(entry.status) }));
    if (entry.status === "refused") body.append(make("p", { class: "note bad", text: t("refused_note", { why: entry.note }) }));
    if (entry.status === "lost") {
      const again = make("button", { type: "button", text: t("again") });
      again.addEventListener("click", () => this.on_again(entry));
      body.append(make("p", { class: "note bad", text: t("lost") }), again);
    }
    line.replaceChildren(face, body);
  }

  #notice(entry) {
    if (!entry.channel) return make("span", { text: entry.text });
    return make("span", { text: t(entry.what, { who: guest(entry.channel) }), title: entry.text });
  }
}
