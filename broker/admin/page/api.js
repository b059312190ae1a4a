// The session, and what it asks of the server. A refusal is a Refused with the server's own sentence; no answer is Away.
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `the server answered ${status}`);
    this.status = status;
    this.code = error?.code;
  }
}

export class Away extends Error {}

let token = "";

// Numbers that JavaScript's cannot hold stay as they were written, where the browser knows how (since 2025 all do).
const digits = (text) => text.replace(/e.*/i, "").replace(/[-.]/g, "").replace(/^0+|0+$/g, "");
const exact = (key, value, context) =>
  (typeof value === "number" && context?.source.length > 15 && digits(String(value)) !== digits(context.source) && JSON.rawJSON
    ? JSON.rawJSON(context.source) : value);

async function ask(method, path, body) {
  const headers = method === "GET" ? {} : { "X-CSRF-Token": token, "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: AbortSignal.timeout(30_000) })
    .catch(() => { throw new Away(); });
  const said = await answer.text().then((text) => JSON.parse(text, exact)).catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.error);
  return said;
}

async function session(method, body) {
  const said = await ask(method, "session", body);
  token = said.token ?? "";
  return said;
}
export const current_session = () => session("GET");
export const sign_in = (key) => session("POST", { key });
export const sign_out = () => session("DELETE");

// A method of the server API (docs/server-api.md), and an address of its jobs (docs/jobs-api.md).
export async function call(method, params = {}) {
  const { result, error } = await ask("POST", `api/${method}`, params);
  if (error) throw new Refused(200, error);
  return result;
}
// "?a=b" of what has a value, or "".
export const query_text = (query) => {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return text && `?${text}`;
};
export const get = (path, query = {}) => ask("GET", `api/${path}${query_text(query)}`);
export const change = (path, body = {}) => ask("POST", `api/${path}`, body);
