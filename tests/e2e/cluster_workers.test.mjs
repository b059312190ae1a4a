// `madang worker --join`: workers on machines without a server run the jobs of a cluster.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ask, binary, eventually, keeps, run, start_nodes, status_of, workers_of } from "./support/cluster.mjs";

const { MADANG_BIN: _, ...environment } = process.env;

// a keeps the jobs; neither has a worker.
async function two(t, options_of = () => []) {
  const nodes = await start_nodes(t, "", ["a", "b"], (name) => ["--no-worker-process", ...options_of(name)]);
  for (const each of nodes) await keeps(each, "a", 1);
  return nodes;
}

async function enqueue(server, id, pages = 1) {
  const answer = await ask(server, "/api/jobs", { method: "POST", body: JSON.stringify({ task: "reports.build", args: [id, pages], id }) });
  assert.equal(answer.status, 202, await answer.text());
}
const job_of = async (server, id) => (await ask(server, `/api/jobs/${id}`)).json();
const ended = (server, id) => eventually(`${id} ends`, async () => {
  const job = await job_of(server, id);
  if (job.state !== "SUCCESS") throw new Error(JSON.stringify(job));
  return job;
});

async function work(t, name, nodes, ...options) {
  const folder = await mkdtemp(join(tmpdir(), "madang-e2e-worker-"));
  const child = spawn(binary, ["worker", "--join", nodes, "--name", name, "--node-name", name, "--concurrency", "1", ...options],
                      { cwd: folder, stdio: ["ignore", "ignore", "pipe"], env: environment });
  child.output = "";
  child.stderr.on("data", (text) => { child.output += text; });
  child.over = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await child.over;
    await rm(folder, { recursive: true, force: true });
  });
  return child;
}

describe("a worker that joined", () => {
  test("runs what is enqueued elsewhere; when it is killed another does within 5 s; it goes where its node went", async (t) => {
    const [a, b] = await two(t);
    const [at_a, at_b] = [(await status_of(a)).address, (await status_of(b)).address];
    const far = await work(t, "far", at_b);
    await eventually("it is seen", async () => (await workers_of(a)).join(" ") === "far");
    await enqueue(a, "one");
    assert.equal((await ended(b, "one")).worker, "far");

    await enqueue(a, "long", 40);
    await eventually("it runs", async () => {
      const job = await job_of(a, "long");
      if (job.state !== "STARTED" && job.state !== "PROGRESS") throw new Error(JSON.stringify(job));
      return true;
    });
    const near = await work(t, "near", `${at_b},${at_a}`);
    await eventually("both are seen", async () => (await workers_of(b)).join(" ") === "far near");
    const at = Date.now();
    far.kill("SIGKILL");
    await eventually("the other has it", async () => {
      const job = await job_of(a, "long");
      return job.worker === "near" && job.losses === 1;
    });
    t.diagnostic(`handed over after ${Date.now() - at} ms`);
    assert.ok(Date.now() - at < 5_000, `${Date.now() - at} ms`);

    // Its node dies in the middle of the job, which goes on: the worker is at a within a moment.
    await b.kill("SIGKILL");
    const job = await ended(a, "long");
    assert.equal(job.worker, "near");
    assert.equal(job.losses, 1, near.output);
    await enqueue(a, "after");
    assert.equal((await ended(a, "after")).worker, "near");

    near.kill("SIGTERM");
    assert.deepEqual(await near.over, [0, null], near.output);
    await eventually("it is gone", async () => (await workers_of(a)).join(" ") === "");
  });

  test("joins the next node when its own goes in order", async (t) => {
    const [a, b] = await two(t);
    const near = await work(t, "near", `${(await status_of(b)).address},${(await status_of(a)).address}`);
    await eventually("it is seen", async () => (await workers_of(a)).join(" ") === "near");
    await enqueue(a, "begun", 3);
    await eventually("it runs", async () => (await job_of(a, "begun")).state !== "PENDING");
    assert.equal(await b.kill("SIGTERM"), 0, b.output);
    const job = await ended(a, "begun");
    assert.equal(job.losses, 0, near.output);
    await enqueue(a, "after");
    assert.equal((await ended(a, "after")).worker, "near", near.output);
    assert.equal(near.exitCode, null);
  });

  test("shows a certificate where nodes do, and none of another cluster is let in", async (t) => {
    const ca = await mkdtemp(join(tmpdir(), "madang-e2e-ca-"));
    t.after(() => rm(ca, { recursive: true, force: true }));
    await run(binary, ["cluster", "init-ca", ca]);
    for (const each of ["a", "b", "far"]) await run(binary, ["cluster", "issue", each, ca]);
    const papers = (name) => ["--cluster-certificate", join(ca, `${name}.pem`), "--cluster-key", join(ca, `${name}.key`),
                              "--cluster-ca", join(ca, "ca.pem")];
    const [a, b] = await two(t, papers);
    const { address } = await status_of(b);
    const field = await work(t, "far", address, ...papers("far"), "--cluster-name", "field");
    const stranger = await work(t, "stranger", address);
    await eventually("b refuses it", async () => /cluster\.refused.*reason=cluster\b/.test(b.output));
    await eventually("and who has no certificate", async () => /cluster\.refused.*reason=tls\b/.test(b.output));
    await eventually("the worker says so", async () => /cluster\.refused_by_peer.*reason=cluster\b/.test(field.output));
    assert.deepEqual(await workers_of(a), []);
    for (const each of [field, stranger]) each.kill("SIGTERM");
    const far = await work(t, "far", address, ...papers("far"));
    await enqueue(a, "one");
    assert.equal((await ended(a, "one")).worker, "far", far.output);
  });

  test("says in one line what is wrong with how it is to join", async () => {
    const refused = async (pattern, ...words) => {
      const got = await run(binary, ["worker", ...words], { timeout: 20_000, env: environment }).catch((error) => error);
      assert.equal(got.code, 2, JSON.stringify(got));
      assert.match(got.stderr, pattern);
      assert.equal(got.stderr.trim().split("\n").length, 1, got.stderr);
    };
    await refused(/--join 10\.1\.2\.3:7000 is not on loopback and there are no certificates/, "--join", "10.1.2.3:7000");
    await refused(/--join "7000" is no address: write HOST:PORT/, "--join", "127.0.0.1:7000,7000");
    await refused(/all three or none/, "--join", "127.0.0.1:7000", "--cluster-ca", "ca.pem");
    await refused(/own is what the server calls its own/, "--join", "127.0.0.1:7000", "--name", "own");
  });
});
