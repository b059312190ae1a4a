// Three `madang serve --join` as one: jobs enqueued anywhere and run by each node's workers, the death of the node that
// keeps them, and its return.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ask, binary, eventually, keeps, metric, run, start_nodes, status_of, workers_of } from "./support/cluster.mjs";

async function three(t, options = []) {
  const nodes = await start_nodes(t, "", ["a", "b", "c"], () => options);
  for (const each of nodes) await keeps(each, "a", 2);
  return nodes;
}

async function post(server, job, headers = {}) {
  const answer = await ask(server, "/api/jobs", { method: "POST", body: JSON.stringify(job), headers });
  return { status: answer.status, ...await answer.json() };
}
const report = (title) => ({ task: "reports.build", args: [title, 1] });
async function done(server, id) {
  const answer = await ask(server, `/api/jobs/${id}?wait=25s`);
  const job = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(job));
  assert.equal(job.state, "SUCCESS", JSON.stringify(job));
  return job;
}

describe("jobs in a cluster of three", () => {
  test("are enqueued anywhere and run by each node's workers", async (t) => {
    const [a, b, c] = await three(t);
    for (const each of [a, b, c])
      await eventually("all workers are seen", async () => (await workers_of(each)).join(" ") === "own own@b own@c");
    const ran = new Set();
    await eventually("each node's worker runs some", async () => {
      const ids = [];
      for (const each of [a, b, c])
        for (let i = 0; i < 8; ++i) ids.push((await post(each, report(`report ${i}`))).id);
      for (const [i, id] of ids.entries()) ran.add((await done([b, c, a][i % 3], id)).worker);
      return ran.size === 3;
    });
    assert.deepEqual([...ran].sort(), ["own", "own@b", "own@c"]);
    const once = await post(b, report("once"), { "Idempotency-Key": "k" });
    const again = await post(c, report("once"), { "Idempotency-Key": "k" });
    assert.equal(again.id, once.id);
    assert.equal(again.repeated, true);
    assert.equal(await metric(a, "madang_job_home"), 1);
    assert.equal(await metric(b, "madang_job_home"), 0);
    assert.equal(await metric(b, "madang_job_workers_relayed"), 1);
    const { stdout } = await run(binary, ["cluster", "status", "--url", c.internal]);
    assert.match(stdout, /jobs are kept by a, served true/);
  });

  test("go on at another node when the one that keeps them is killed, and it does not take them back", async (t) => {
    const [a, b, c] = await three(t);
    await done(c, (await post(b, report("before"))).id);
    assert.equal((await post(c, { ...report("later"), id: "later", countdown: "1h" })).status, 202);
    const at = Date.now();
    await a.kill("SIGKILL");
    const id = await eventually("a job is taken", async () => {
      const answer = await post(c, report("afterwards"), { "Idempotency-Key": "afterwards" });
      assert.ok(answer.status === 202 || answer.status === 503, JSON.stringify(answer));
      return answer.id;
    });
    t.diagnostic(`jobs were taken again after ${Date.now() - at} ms`);
    await done(b, id);
    await keeps(b, "b", 1);
    await eventually("c's worker came over", async () => (await workers_of(b)).join(" ") === "own own@c");
    a.arguments.push("--join", (await status_of(b)).address);
    await a.start_again();
    for (const each of [a, b, c]) await keeps(each, "b", 2);
    await eventually("a's worker came over", async () => (await workers_of(a)).join(" ") === "own own@a own@c");
    await done(a, (await post(a, report("of a returned node"))).id);
    await eventually("what it had taken came over", async () => (await ask(c, "/api/jobs/later")).status === 200);
    const { stdout } = await run(binary, ["cluster", "status", "--url", a.internal]);
    assert.match(stdout, /jobs are kept by b, served true/);
  });

  test("move on when the node that keeps them drains", async (t) => {
    const [a, b, c] = await three(t);
    await done(c, (await post(a, report("before"))).id);
    assert.equal((await post(c, { ...report("later"), id: "later", countdown: "1h" })).status, 202);
    const at = Date.now();
    assert.equal(await a.kill("SIGTERM"), 0, a.output);
    t.diagnostic(`drained after ${Date.now() - at} ms`);
    await keeps(b, "b", 1);
    assert.equal((await ask(c, "/api/jobs/later")).status, 200, "it waited until all had moved");
    await done(c, (await post(b, report("afterwards"))).id);
  });

  test("wait on a minority, which says so", async (t) => {
    const [a, b, c] = await three(t, ["--cluster-size", "3"]);
    await done(c, (await post(b, report("before"))).id);
    assert.equal(await (await fetch(`${c.internal}/readyz`)).text(), "ready\n");
    await Promise.all([a.kill("SIGKILL"), b.kill("SIGKILL")]);
    const answer = await eventually("jobs are refused for want of a quorum", async () => {
      const answer = await post(c, report("alone"));
      assert.equal(answer.status, 503, JSON.stringify(answer));
      return answer.error.code === 521 && answer;
    });
    assert.match(answer.error.message, /apart from most of its cluster/);
    const ready = await eventually("readiness says so", async () => {
      const answer = await fetch(`${c.internal}/readyz`);
      assert.equal(answer.status, 200);
      return (await answer.text()).match(/no quorum/);
    });
    assert.ok(ready);
    assert.equal(await metric(c, "madang_cluster_quorum"), 0);
    assert.equal(await metric(c, "madang_job_home"), 0);
  });
});
