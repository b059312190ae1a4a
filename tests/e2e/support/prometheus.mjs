// Debian's prometheus on a free port of the loopback, with the project's rules, in a folder of its own. Ends with the test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { free_port } from "./free_port.mjs";

const start_timeout_ms = 60_000;
const running = new Set();
process.on("exit", () => { for (const each of running) each.end(); });

export class Prometheus {
  // `targets`: HOST:PORT of internal listeners; `rules`: the text of a rule file.
  static async start(targets, rules) {
    for (let attempt = 0; ; attempt += 1) { // somebody may take the port
      const prometheus = new Prometheus();
      if (await prometheus.#begin(targets, rules)) return prometheus;
      prometheus.end();
      if (attempt === 4) throw new Error(`prometheus does not start:\n${prometheus.output}`);
    }
  }

  async #begin(targets, rules) {
    this.folder = await mkdtemp(join(tmpdir(), "madang-prometheus-"));
    this.output = "";
    running.add(this);
    const port = await free_port();
    await writeFile(join(this.folder, "rules.yml"), rules);
    await writeFile(join(this.folder, "prometheus.yml"), JSON.stringify({ // JSON is YAML
      global: { scrape_interval: "1s", evaluation_interval: "500ms", scrape_timeout: "1s" },
      rule_files: [join(this.folder, "rules.yml")],
      scrape_configs: [{ job_name: "madang", static_configs: [{ targets }] }] }));
    this.child = spawn("prometheus", [`--config.file=${this.folder}/prometheus.yml`, `--storage.tsdb.path=${this.folder}/data`,
                                      `--web.listen-address=127.0.0.1:${port}`, "--log.level=warn"],
                       { stdio: ["ignore", "ignore", "pipe"], cwd: this.folder });
    this.child.stderr.on("data", (text) => { this.output = (this.output + text).slice(-20_000); });
    this.child.once("error", (error) => { this.output += error; });
    this.url = `http://127.0.0.1:${port}`;
    for (const end = Date.now() + start_timeout_ms; Date.now() < end && this.child.pid && this.child.exitCode === null;) {
      if ((await fetch(`${this.url}/-/ready`).catch(() => ({}))).status === 200) return this.child.exitCode === null;
      await new Promise((done) => setTimeout(done, 50)); // its turn
    }
    return false;
  }

  // The samples of an expression now: [{metric: labels, value: number}].
  async ask(expression) {
    const answer = await fetch(`${this.url}/api/v1/query`, { method: "POST", body: new URLSearchParams({ query: expression }) });
    const { status, error, data } = await answer.json();
    if (status !== "success") throw new Error(`${expression}: ${error}`);
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  async rules() {
    const { data } = await (await fetch(`${this.url}/api/v1/rules`)).json();
    return data.groups.flatMap((each) => each.rules);
  }

  end() {
    running.delete(this);
    if (this.child?.pid && this.child.exitCode === null) this.child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
