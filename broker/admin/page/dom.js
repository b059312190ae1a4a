// What the server says reaches the page as text nodes and attributes only: nothing is ever parsed as HTML.
export const $ = (id) => document.getElementById(id);

// make("a", {href: "#jobs"}, "text", element, [more], null)
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== false) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Makes `old` look like `fresh` and keeps what is there already: focus, selection and what is opened stay.
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) return old.replaceWith(fresh);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return undefined;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  return morph_children(old, [...fresh.childNodes]);
}

export function morph_children(parent, fresh) {
  const before = [...parent.childNodes];
  for (const [i, child] of fresh.entries()) {
    if (before[i]) morph(before[i], child);
    else parent.append(child);
  }
  for (const extra of before.slice(fresh.length)) extra.remove();
}

// `columns`: [name, of a row: what stands there, class]. A row's first column names it.
export function table(label, columns, rows, empty) {
  if (!rows.length) return make("p", { class: "soft" }, empty);
  return make("div", { class: "scroll" }, make("table", { "aria-label": label },
    make("thead", {}, make("tr", {}, columns.map(([name, , kind]) => make("th", { scope: "col", class: kind }, name)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, columns.map(([, cell, kind], i) =>
      make(i ? "td" : "th", { class: kind, scope: i ? undefined : "row" }, cell(row))))))));
}

export function facts(pairs) {
  return make("dl", {}, pairs.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

export const button = (text, act, data = {}, kind) =>
  make("button", { type: "button", class: kind, "data-act": act,
                   ...Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value])) }, text);

export const state = (name, kind = name) => make("span", { class: `state ${kind}` }, name);

export function search_field(id, label, placeholder, value, changed) {
  const input = make("input", { type: "search", id, value, "aria-label": label, placeholder });
  input.addEventListener("input", () => changed(input.value));
  return input;
}

export const number = (value) => value.toLocaleString("en");
export function time(ms) {
  if (!ms) return "";
  const at = new Date(ms), two = (n) => String(n).padStart(2, "0");
  const text = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return make("time", { datetime: at.toISOString() }, text);
}
export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : `${m} min ${Math.floor(s % 60)} s`;
}
export const json = (value) => make("pre", { class: "json" }, JSON.stringify(value, null, 2));
export const short = (value, most = 120) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > most ? `${text.slice(0, most)}…` : text;
};
