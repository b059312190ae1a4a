// A real `madang serve` on free ports of the loopback, in a folder of its own, which holds its data; both end with the test
// that started it, whatever happens.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { access, constants, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { project_dir } from "./paths.mjs";

const start_timeout_ms = 60_000;
const stop_timeout_ms = 40_000; // the default drain deadline is 10 s
const binary = resolve(process.env.MADANG_BIN ?? join(project_dir, "build/release/madang"));
const running = new Set();
const folders = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MADANG_")));

export const secret = "a-secret-of-these-tests-that-is-long-enough";

export class Server {
  // `config` is the text of a TOML file; `options` are further arguments; `internal` is HOST:PORT of the internal listener;
  // `env` is added to its environment.
  static async start({ config = "", options = [], internal = "127.0.0.1:0", env = {} } = {}) {
    await access(binary, constants.X_OK).catch(() => {
      throw new Error(`there is no server to test at ${binary}: build it, or name it by MADANG_BIN`);
    });
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "madang-e2e-"));
    folders.add(server.folder);
    server.arguments = ["serve", ...options];
    if (config) {
      await writeFile(join(server.folder, "madang.toml"), config);
      server.arguments.push("--config", join(server.folder, "madang.toml"));
    }
    server.listen = "127.0.0.1:0";
    server.internal_listen = internal;
    server.env = env;
    await server.start_again().catch(async (error) => {
      await server.stop();
      throw error;
    });
    return server;
  }

  // After kill(): on the port it had before.
  async start_again() {
    const { MADANG_BIN: _, ...environment } = process.env;
    const child = spawn(binary, [...this.arguments, "--listen", this.listen, "--internal-listen", this.internal_listen],
                        { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"], env: { ...environment, MADANG_JWT_HMAC_SECRET: secret, ...this.env } });
    this.child = child;
    this.output = "";
    running.add(child);
    child.once("exit", () => running.delete(child));
    child.stderr.on("data", (text) => { this.output = (this.output + text).slice(-20_000); });
    await new Promise((done, failed) => {
      const give_up = setTimeout(() => failed(this.#failure("did not say where it listens")), start_timeout_ms);
      child.once("error", failed);
      child.once("exit", (code, signal) => failed(this.#failure(`ended with ${signal ?? code} before it listened`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        this.output += `${line}\n`;
        this.url = /listening on (http:\/\/\S+)/.exec(line)?.[1] ?? this.url;
        this.internal = /internal on (http:\/\/\S+)/.exec(line)?.[1] ?? this.internal;
        if (!this.url || !this.internal) return;
        clearTimeout(give_up);
        done();
      });
    });
    this.url = this.url.replace(/\/$/, "");
    this.listen = new URL(this.url).host;
  }

  #failure(what) {
    return new Error(`${binary} ${this.arguments.join(" ")} ${what}; it said:\n${this.output}`);
  }

  ws(path) {
    return this.url.replace(/^http/, "ws") + path;
  }

  // Returns what it ended with: an exit code or a signal's name.
  async kill(signal) {
    const child = this.child;
    const ended = child.exitCode !== null || child.signalCode !== null ? null : once(child, "exit");
    child.kill(signal);
    const too_long = setTimeout(() => child.kill("SIGKILL"), stop_timeout_ms);
    await ended;
    clearTimeout(too_long);
    this.internal = undefined;
    return child.signalCode ?? child.exitCode;
  }

  async stop() {
    if (this.child?.pid && this.child.exitCode === null && this.child.signalCode === null) await this.kill("SIGKILL");
    await rm(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }
}
