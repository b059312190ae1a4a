// What goes over /ws/chat/<room>/. The server knows texts only; who speaks is a convention of this page: "name: text".

const longest_name = 200; // bytes when escaped; the group's name, with its namespace, has at most 255

// A room's title as its address can hold it: one segment of a path, and none that a URL parser takes for a folder.
// Empty when nothing is left.
export function clean_title(title) {
  const letters = [...title.replace(/[\s\p{Cc}\p{Cs}]+/gu, " ").replace(/[/\\]/g, "-").trim()].slice(0, 24);
  while (encodeURIComponent(letters.join("")).length > longest_name) letters.pop();
  const cleaned = letters.join("").trim();
  return cleaned === "." || cleaned === ".." ? "" : cleaned;
}

export function room_path(title) {
  return `/ws/chat/${encodeURIComponent(title)}/`;
}

// The room's group, as the chat plugin names it: what a group's name cannot hold is written as %XX.
export function group_of(title) {
  const bytes = [...new TextEncoder().encode(title)];
  return `room:${bytes.map((b) => (b > 0x20 && b < 0x7f && b !== 0x25 ? String.fromCharCode(b)
    : `%${b.toString(16).toUpperCase().padStart(2, "0")}`)).join("")}`;
}

export function socket_url(path, page = location) {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}${path}`;
}

export function clean_name(name) {
  return [...name.replace(/[:\s\p{Cc}\p{Cs}]+/gu, " ").trim()].slice(0, 24).join("").trim();
}

export function compose(author, text) {
  return author ? `${author}: ${text}` : text;
}

export function split_author(message) {
  const found = /^([^:\n]{1,24}): ([^]*)$/u.exec(message);
  return found && found[1].trim() ? { author: found[1].trim(), text: found[2] } : { author: "", text: message };
}

function error_text(error) {
  if (typeof error === "string") return error;
  if (Array.isArray(error)) return error.map(error_text).join("; ");
  if (error && typeof error === "object") {
    const what = error.message ?? error.reason ?? error.detail ?? JSON.stringify(error);
    const where = error.field ?? error.path;
    return where ? `${where}: ${what}` : String(what);
  }
  return String(error);
}

// A frame as the room understands it; null for one that it does not.
export function parse_frame(data) {
  let frame;
  try {
    frame = JSON.parse(data);
  } catch {
    return null;
  }
  if (frame === null || typeof frame !== "object") return null;
  if ("error" in frame) return { kind: "error", text: error_text(frame.error) };
  if (typeof frame.message === "string") return { kind: "message", raw: frame.message, ...split_author(frame.message) };
  if (typeof frame.typing === "string") return { kind: "typing", channel: frame.typing };
  if (Array.isArray(frame.here)) return { kind: "who", here: frame.here, seen: frame.seen ?? [], you: frame.you };
  if (typeof frame.system === "string") {
    const found = /^(\S+) (joined|left)$/.exec(frame.system);
    return found ? { kind: "system", channel: found[1], what: found[2], text: frame.system }
                 : { kind: "system", channel: "", what: "", text: frame.system };
  }
  return null;
}
