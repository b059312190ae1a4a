// A real nginx before a server, with docs/nginx.conf, or before three, with deploy/nginx.conf; on a free port, in a folder of its
// own. Ends with the test.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { free_port } from "./free_port.mjs";
import { project_dir } from "./paths.mjs";

const running = new Set();
process.on("exit", () => { for (const each of running) each.end(); });

const listens = (port) => new Promise((done) => {
  const socket = connect(port, "127.0.0.1", () => { socket.destroy(); done(true); });
  socket.on("error", () => done(false));
});

export class Nginx {
  // `servers`: the URL of what it stands before, or three of them. tls: it listens at `secure_url` too, with a certificate of its own.
  static async start(servers, { tls = false } = {}) {
    for (let attempt = 0; ; attempt += 1) { // nginx takes no port 0, and somebody may take ours
      const nginx = new Nginx();
      if (await nginx.#begin([servers].flat(), tls)) return nginx;
      nginx.end();
      if (attempt === 4) throw new Error(`nginx does not start:\n${nginx.output}`);
    }
  }

  async #begin(servers, tls) {
    this.folder = await mkdtemp(join(tmpdir(), "madang-nginx-"));
    running.add(this);
    const port = await free_port();
    const file = servers.length === 1 ? "docs/nginx.conf" : "deploy/nginx.conf";
    const places = servers.length === 1 ? ["127.0.0.1:8000"] : ["a:8000", "b:8000", "c:8000"];
    let placed = (await readFile(join(project_dir, file), "utf8")).replace(/listen (127.0.0.1:)?8080;/, `listen 127.0.0.1:${port};`);
    for (const [i, place] of places.entries()) placed = placed.replace(`server ${place}`, `server ${new URL(servers[i]).host}`);
    if (placed.match(/(:8000|8080)[ ;]/)) throw new Error(`${file} has other addresses than this test replaces`);
    if (tls) {
      const [key, certificate, other] = [join(this.folder, "key"), join(this.folder, "pem"), await free_port()];
      execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                               "-out", certificate, "-days", "2", "-subj", "/CN=localhost"], { stdio: "ignore" });
      placed = placed.replace(/listen .*;/, `$&\n    listen 127.0.0.1:${other} ssl;\n    ssl_certificate ${certificate};\n    ssl_certificate_key ${key};`);
      this.secure_url = `https://127.0.0.1:${other}`;
    }
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${this.folder}/${of};`).join("\n");
    await writeFile(join(this.folder, "nginx.conf"), `daemon off;\npid ${this.folder}/pid;\nerror_log stderr warn;\n` +
      `worker_processes 1;\nevents { worker_connections 256; }\nhttp {\naccess_log off;\nproxy_buffering on;\n${temporary}\n${placed}}\n`);
    this.output = "";
    this.child = spawn("nginx", ["-e", "stderr", "-p", this.folder, "-c", join(this.folder, "nginx.conf")],
                       { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
    this.child.stderr.on("data", (text) => { this.output += text; });
    this.child.once("error", (error) => { this.output += error; });
    this.url = `http://127.0.0.1:${port}`;
    for (let i = 0; i < 500 && this.child.exitCode === null && this.child.pid; i += 1) {
      if (await listens(port)) return this.child.exitCode === null;
      await new Promise((done) => setTimeout(done, 20)); // its turn
    }
    return false;
  }

  end() {
    running.delete(this);
    if (this.child?.pid && this.child.exitCode === null) this.child.kill("SIGTERM"); // at once, its worker with it
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
