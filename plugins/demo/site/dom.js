// Text reaches the page through textContent and setAttribute only: nothing that was received is ever parsed as HTML.
export const $ = (id) => document.getElementById(id);

export function make(tag, { class: name, text, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// FNV-1a over code points, 32 bits: the same name looks the same in every window.
export function hash_of(name) {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193) >>> 0;
  return hash;
}

export function paint_face(face, name) {
  face.textContent = [...(name || "·")][0];
  face.style.setProperty("--hue", hash_of(name) % 360);
}

export function clock(date) {
  return date.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
}

// As high as its text.
export function grow(box) {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // not a secure context, or not permitted
    return false;
  }
}

export async function server_is_up() {
  try {
    return (await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(4_000) })).ok;
  } catch {
    return false;
  }
}
