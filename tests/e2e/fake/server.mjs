// A stand-in that speaks the bundled plugins' protocol and does on demand what the real server does only in bad times:
// pushes notifications, closes with any code, sends frames that no plugin sends, refuses rooms, disappears.
// It serves the page under a stricter Content-Security-Policy than the page asks for itself.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { WebSocketServer } from "ws";
import { group_of } from "../../../plugins/demo/site/protocol.js";
import { site_dir } from "../support/paths.mjs";
import { serve_connection, serve_socket } from "./client_protocol.mjs";

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const policy = "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'";

export class FakeServer {
  static async start(port = 0) {
    const fake = new FakeServer();
    await fake.listen(port);
    return fake;
  }

  constructor() {
    this.rooms = new Map(); // wire name -> set of sockets
    this.users = new Set();
    this.sessions = new Set(); // of the client protocol
    this.history = new Map(); // group -> publications
    this.seen = []; // what "who" answers of those who left
    this.blocked = new Set(); // transports that do not open: "http_stream", "sse"
    this.refuse = () => null; // (path) -> HTTP status, or null to let in
    this.refuse_group = () => false;
    this.moderate = (text) => (text.includes("forbidden") ? "a word is not allowed here" : null);
    this.echo = true;
    this.said = []; // every message frame that arrived
    this.reports = new Map(); // id -> {title, pages, page, state}; report() moves them on
    this.serial = 0;
    this.port = 0;
  }

  async listen(port = this.port) {
    this.started = Date.now();
    this.sockets = new Set();
    this.http = createServer((request, response) => this.#serve(request, response));
    this.ws = new WebSocketServer({ noServer: true });
    this.http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.http.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    await new Promise((resolve, reject) => this.http.once("error", reject).listen(port, "127.0.0.1", resolve));
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  // With a code: every client gets it first, as at an orderly shutdown. Without: connections break.
  async stop(code) {
    if (code) for (const socket of this.ws.clients) socket.close(code, "going away");
    const closed = new Promise((resolve) => this.http.close(resolve));
    if (code) await Promise.all([...this.ws.clients].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  members(room) {
    if (!this.rooms.has(room)) this.rooms.set(room, new Set());
    return this.rooms.get(room);
  }

  kept(group) {
    if (!this.history.has(group)) this.history.set(group, []);
    return this.history.get(group);
  }

  here(group) {
    const sockets = [...this.rooms].filter(([room]) => group_of(room) === group).flatMap(([, members]) => [...members]);
    const clients = [...sockets.map((socket) => socket.channel), ...this.#sessions(group).map((session) => session.client)];
    return clients.map((client) => ({ user: "", client, since: this.started }));
  }

  #sessions(group) {
    return [...this.sessions].filter((session) => session.groups.has(group));
  }

  // To everybody, whatever they speak.
  publish(group, data, keep = true) {
    if (keep) this.kept(group).push(data);
    const offset = keep ? this.kept(group).length : undefined;
    for (const session of this.#sessions(group)) session.push({ channel: group, pub: { data, offset } });
    for (const [room, members] of this.rooms) {
      if (group_of(room) !== group) continue;
      for (const socket of members) if (data.typing !== socket.channel) socket.send(JSON.stringify(data));
    }
  }

  joined(group, client) { this.#tell(group, client, "joined", "join"); }
  left(group, client) { this.#tell(group, client, "left", "leave"); }
  #tell(group, client, what, push) {
    for (const session of this.#sessions(group)) session.push({ channel: group, [push]: { info: { client, user: "" } } });
    for (const room of this.rooms.keys()) if (group_of(room) === group) this.say(room, { system: `${client} ${what}` });
  }

  say(room, frame) {
    for (const socket of this.members(room)) socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  notify(value) {
    for (const socket of this.users) socket.send(JSON.stringify(value));
  }

  // A worker did a page, or (`page` 0) the end came: "SUCCESS", "FAILURE".
  report(id, page, state = "STARTED") {
    const report = this.reports.get(id);
    Object.assign(report, { state, page: page || report.page });
    const url = this.#link(id);
    if (state === "SUCCESS") this.notify({ event: "pdf_ready", id, title: report.title, url });
    const news = state === "STARTED" ? { state: "PROGRESS", progress: { page, pages: report.pages } } : { state, result: { url } };
    this.notify({ event: "job", id, task: "reports.build", ...news });
  }

  #link(id) {
    return `/api/reports/${id}/file?expires=${Math.floor(Date.now() / 1000) + 3600}&signature=00`;
  }

  async #serve_report(request, response, path) {
    const answer = (status, value, headers = {}) => {
      response.writeHead(status, { "Content-Type": "application/json", ...headers });
      response.end(JSON.stringify(value));
    };
    if (request.method === "POST" && path === "/api/reports/") {
      const order = JSON.parse((await request.toArray()).join(""));
      if (order.title === "forbidden") return answer(400, { error: "title: not this one" });
      const id = `report-${this.reports.size + 1}`;
      this.reports.set(id, { ...order, page: 0, state: "PENDING" });
      return answer(202, { id, status_url: `/api/reports/${id}/` }, { "Set-Cookie": `madang_visitor=${"a".repeat(32)}; Path=/; HttpOnly` });
    }
    const [, id, file] = /^\/api\/reports\/([^/]+)\/(file)?$/.exec(path) ?? [];
    const report = this.reports.get(id);
    if (!report) return answer(404, { error: "no such report" });
    if (!file) return answer(200, { id, ...report, ...(report.state === "SUCCESS" && { url: this.#link(id) }) });
    response.writeHead(200, { "Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="report.pdf"' });
    response.end("%PDF-1.4 of a test");
  }

  close_all(code, reason = "") {
    for (const socket of this.ws.clients) socket.close(code, reason);
  }

  async #serve(request, response) {
    const path = normalize(new URL(request.url, "http://x").pathname);
    if (path === "/healthz") return response.end("ok\n");
    if (path.startsWith("/api/reports/")) return this.#serve_report(request, response, path);
    if (this.refuse(path) === null && await serve_connection(this, request, response)) return;
    try {
      const file = path === "/" ? "/index.html" : path;
      const body = await readFile(join(site_dir, file));
      response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream", "Content-Security-Policy": policy });
      response.end(body);
    } catch {
      response.writeHead(404).end("not found\n");
    }
  }

  #upgrade(request, socket, head) {
    const url = new URL(request.url, "http://x");
    const room = /^\/ws\/chat\/([^/]+)\/$/.exec(decodeURIComponent(url.pathname))?.[1];
    const protocol = url.pathname === "/connection/websocket";
    const status = this.refuse(url.pathname) ?? (protocol || room || (url.pathname === "/ws/notify/" && (url.searchParams.get("token") || /madang_visitor=/.test(request.headers.cookie))) ? null : 403);
    if (status) return socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    this.ws.handleUpgrade(request, socket, head, (ws) => (protocol ? serve_socket(this, ws) : room ? this.#chat(ws, room) : this.#notify(ws)));
  }

  #chat(ws, room) {
    const group = group_of(room);
    ws.channel = `fake.inmemory!${(this.serial += 1).toString().padStart(5, "0")}`;
    for (const data of this.kept(group).slice(-50)) ws.send(JSON.stringify(data));
    this.members(room).add(ws);
    this.joined(group, ws.channel);
    ws.on("close", () => {
      this.members(room).delete(ws);
      this.left(group, ws.channel);
    });
    ws.on("message", (data) => {
      const { message, typing, who } = JSON.parse(data);
      if (who) return ws.send(JSON.stringify({ here: this.here(group), seen: this.seen, you: ws.channel }));
      if (typing) return this.publish(group, { typing: ws.channel }, false);
      this.said.push(message);
      const error = this.moderate(message);
      if (error) ws.send(JSON.stringify({ error }));
      else if (this.echo) this.publish(group, { message });
    });
  }

  #notify(ws) {
    this.users.add(ws);
    ws.on("close", () => this.users.delete(ws));
  }
}
