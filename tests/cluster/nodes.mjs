// `madang serve` on hosts of hosts.mjs: a cluster with its own authority, whose nodes can be killed, stopped, drained and
// started again in the same folder.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const binary = resolve(process.env.MADANG_BIN ?? fileURLToPath(new URL("../../build/release/madang", import.meta.url)));
export const key = "a-key-of-these-tests-that-is-long-enough";
const running = new Set();
process.on("exit", () => {
  for (const each of running) each.kill("SIGKILL");
});
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export class Node {
  constructor(name, host, folder, options) {
    Object.assign(this, { name, host, folder, options, users: `${host.users}:8000`, internal: `${host.users}:8001` });
    this.stopped = false;
  }

  get alive() {
    return this.child !== undefined && !this.stopped;
  }

  async start() {
    await mkdir(this.folder, { recursive: true });
    const log = createWriteStream(join(this.folder, "log"), { flags: "a" });
    const child = spawn("nsenter", [`--net=${this.host.namespace}`, binary, "serve", "--listen", this.users, "--internal-listen",
                                    this.internal, "--data-dir", join(this.folder, "data"), "--node-name", this.name,
                                    "--cluster-listen", `${this.host.cluster}:7000`, ...this.options],
                        { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    this.stopped = false;
    running.add(child);
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    this.ended = once(child, "exit").then(([code, signal]) => {
      running.delete(child);
      if (this.child === child) this.child = undefined;
      return signal ?? code;
    });
    for (const end = Date.now() + 20_000; Date.now() < end && this.child === child; await pause(50))
      if ((await this.get("/healthz", 1000).catch(() => null)) !== null) return;
    throw new Error(`node ${this.name} does not answer; see ${this.folder}/log`);
  }

  signal(name) {
    if (name === "SIGSTOP") this.stopped = true;
    if (name === "SIGCONT") this.stopped = false;
    this.child?.kill(name);
    return this.ended;
  }

  async get(path, patience = 3000) {
    const answer = await fetch(`http://${this.internal}${path}`, { signal: AbortSignal.timeout(patience), headers: { "X-API-Key": key } });
    return answer.text();
  }
  // A metric without labels.
  async figure(name) {
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await this.get("/metrics"))?.[1]);
  }
  async api(method, body, patience = 5000) {
    const answer = await fetch(`http://${this.internal}/api/${method}`, { method: "POST", body: JSON.stringify(body),
                                                                         signal: AbortSignal.timeout(patience),
                                                                         headers: { "X-API-Key": key } });
    return answer.json();
  }

  // {a: "up", …} as this node sees them, itself included; of those that it has no link to, "unlinked".
  async sees(patience) {
    const now = JSON.parse(await this.get("/cluster", patience));
    const all = { [now.node]: now.state };
    for (const each of now.nodes) all[each.node] = each.state === "up" && !each.link ? "unlinked" : each.state;
    return { ...now, all };
  }
}

// Makes the authority, the certificates and the nodes a, b, c…; starts none.
export async function make_nodes(network, folder, count, config, options) {
  const ca = join(folder, "ca");
  execFileSync(binary, ["cluster", "init-ca", ca], { stdio: "ignore" });
  const hosts = [];
  for (let number = 1; number <= count; number += 1) hosts.push(await network.add(number));
  const nodes = [];
  for (const host of hosts) {
    const name = String.fromCharCode(96 + host.number);
    execFileSync(binary, ["cluster", "issue", name, ca], { stdio: "ignore" });
    const own = join(folder, name);
    await mkdir(own, { recursive: true });
    await writeFile(join(own, "madang.toml"), config);
    const others = hosts.filter((each) => each !== host).flatMap((each) => ["--join", `${each.cluster}:7000`]);
    nodes.push(new Node(name, host, own, ["--config", join(own, "madang.toml"), "--cluster-certificate", join(ca, `${name}.pem`), "--cluster-key",
                                          join(ca, `${name}.key`), "--cluster-ca", join(ca, "ca.pem"), ...others, ...options]));
  }
  return nodes;
}
