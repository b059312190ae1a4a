// A stand-in that speaks the bundled plugins' protocol and does on demand what the real server does only in bad times:
// pushes notifications, closes with any code, sends frames that no plugin sends, refuses rooms, disappears.
// It serves the page under a stricter Content-Security-Policy than the page asks for itself.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { WebSocketServer } from "ws";
import { site_dir } from "../support/paths.mjs";

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
    this.refuse = () => null; // (path) -> HTTP status, or null to let in
    this.moderate = (text) => (text.includes("forbidden") ? "a word is not allowed here" : null);
    this.echo = true;
    this.said = []; // every message frame that arrived
    this.serial = 0;
    this.port = 0;
  }

  async listen(port = this.port) {
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

  say(room, frame) {
    for (const socket of this.members(room)) socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  notify(value) {
    for (const socket of this.users) socket.send(JSON.stringify(value));
  }

  close_all(code, reason = "") {
    for (const socket of this.ws.clients) socket.close(code, reason);
  }

  async #serve(request, response) {
    const path = normalize(new URL(request.url, "http://x").pathname);
    if (path === "/healthz") return response.end("ok\n");
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
    const status = this.refuse(url.pathname) ?? (room || (url.pathname === "/ws/notify/" && url.searchParams.get("token")) ? null : 403);
    if (status) return socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    this.ws.handleUpgrade(request, socket, head, (ws) => (room ? this.#chat(ws, room) : this.#notify(ws)));
  }

  #chat(ws, room) {
    const channel = `fake.inmemory!${(this.serial += 1).toString().padStart(5, "0")}`;
    this.members(room).add(ws);
    this.say(room, { system: `${channel} joined` });
    ws.on("close", () => {
      this.members(room).delete(ws);
      this.say(room, { system: `${channel} left` });
    });
    ws.on("message", (data) => {
      const { message } = JSON.parse(data);
      this.said.push(message);
      const error = this.moderate(message);
      if (error) ws.send(JSON.stringify({ error }));
      else if (this.echo) this.say(room, { message });
    });
  }

  #notify(ws) {
    this.users.add(ws);
    ws.on("close", () => this.users.delete(ws));
  }
}
