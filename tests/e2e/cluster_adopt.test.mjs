// A node that keeps the jobs dies for good; `madang cluster adopt` gives what waits on its disk to the others.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ask, binary, command, eventually, keeps, key, metric, start_node, start_nodes, status_of } from "./support/cluster.mjs";
import { Server } from "./support/server.mjs";

const data_of = (server) => join(server.folder, "data");
const words = (server, dir, ...more) => ["cluster", "adopt", dir, "--url", server.internal, ...more];
const with_key = ["--api-key", key];
// Its exit code and what it printed.
const adopt = (server, dir, ...more) => command(...words(server, dir, ...more));
const report = (id) => ({ task: "reports.build", args: [id, 1], id });
async function enqueue(server, jobs) {
  const answer = await ask(server, "/api/jobs", { method: "POST", body: JSON.stringify(jobs) });
  assert.equal(answer.status, 202, await answer.text());
}
async function depth(server, of) {
  const { queues } = await (await ask(server, "/api/queues")).json();
  return queues.reduce((sum, each) => sum + each[of], 0);
}
async function ids_of(server) {
  const ids = [];
  for (let after = ""; ;) {
    const page = await (await ask(server, `/api/jobs?limit=500&after=${encodeURIComponent(after)}`)).json();
    ids.push(...page.jobs.map(({ id }) => id));
    if (!(after = page.next ?? "")) return ids;
  }
}
const ended = async (server, state) => await metric(server, `madang_jobs_ended_total{state="${state}"}`);

// Of which a, which keeps the jobs, is dead: nobody has run any of its jobs.
async function bereaved(t, count, { remove = true } = {}) {
  const servers = await start_nodes(t, "", ["a", "b", "c"], () => ["--no-worker-process", "--data-dir", "data"]);
  const [a, b, c] = servers;
  for (const each of servers) await keeps(each, "a", 2);
  for (let i = 0; i < count; i += 500)
    await enqueue(a, Array.from({ length: Math.min(500, count - i) }, (_, k) => report(`job-${i + k}`)));
  await enqueue(c, [{ ...report("later"), countdown: "1h" }]);
  await a.kill("SIGKILL");
  for (const each of [b, c]) await keeps(each, "b", 1);
  if (remove) {
    assert.equal((await command("cluster", "remove", "a", "--url", b.internal, ...with_key)).code, 0);
    for (const each of [b, c]) await eventually("a is not listed", async () => (await status_of(each)).nodes.length === 1);
  }
  assert.equal(await depth(b, "ready"), 0);
  return { a, b, c, servers };
}

describe("the folder of a dead node", () => {
  test("gives its jobs to the cluster, at whichever node, and each ends once", async (t) => {
    const { a, b, c, servers } = await bereaved(t, 40);
    // c is not the jobs' home: it passes the words on.
    const done = await adopt(c, data_of(a), ...with_key);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /41 jobs given to b; none is left in \S+/);
    assert.equal(await depth(b, "ready"), 40);
    assert.equal(await depth(b, "scheduled"), 1);

    const again = await adopt(b, data_of(a), ...with_key);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /there are no jobs in/);
    assert.equal(await depth(b, "ready"), 40);

    servers.push(await start_node("", "d", [(await status_of(b)).address], ["--data-dir", "data"]));
    await keeps(b, "b", 2);
    await eventually("all of them ended", async () => await ended(b, "SUCCESS") >= 40, 90_000);
    for (let i = 0; i < 40; ++i) {
      const job = await (await ask(c, `/api/jobs/job-${i}`)).json();
      assert.equal(job.state, "SUCCESS", JSON.stringify(job));
      assert.equal(job.history.length, 1, JSON.stringify(job));
    }
    assert.equal((await (await ask(c, "/api/jobs/later")).json()).state, "PENDING");

    // It may come back with the folder: nothing is in it.
    a.arguments.push("--join", (await status_of(b)).address);
    await a.start_again();
    await keeps(a, "b", 3);
    await eventually("it has nothing to move", async () => await metric(a, "madang_jobs_to_move") === 0);
    assert.equal(await ended(b, "SUCCESS"), 40);
  });

  test("gives the rest when it was killed in the middle", async (t) => {
    const { a, b, c } = await bereaved(t, 3000, { remove: false });
    const first = spawn(binary, words(c, data_of(a), ...with_key), { stdio: "ignore" });
    t.after(() => first.kill("SIGKILL"));
    const over = new Promise((done) => first.once("exit", (code, signal) => done(signal ?? code)));
    const given = await eventually("some are given", () => depth(b, "ready"));
    first.kill("SIGKILL");
    assert.equal(await over, "SIGKILL");
    assert.ok(given < 3000, `${given} were given before it was killed`);
    const rest = await adopt(b, data_of(a), ...with_key);
    assert.equal(rest.code, 0, rest.stderr);
    assert.match(rest.stdout, /jobs given to b; none is left in/);
    assert.equal(await depth(b, "ready"), 3000);
    assert.equal(await depth(b, "scheduled"), 1);
  });

  test("gives what was on its way to a node that is gone with its disk to the next, once that is removed", async (t) => {
    const { a, b, c } = await bereaved(t, 3000, { remove: false });
    const first = adopt(c, data_of(a), ...with_key);
    await eventually("some are given", () => depth(b, "ready"));
    b.child.kill("SIGSTOP"); // what it is sent from now on it never says that it has
    await new Promise((done) => setTimeout(done, 1000));
    await b.kill("SIGKILL");
    await keeps(c, "c", 0);
    // How many it says at its end.
    const given = async (running) => {
      const done = await running;
      const last = (done.code === 0 ? done.stdout : done.stderr).trim().split("\n").at(-1);
      return { ...done, jobs: Number(/(\d+) jobs? given/.exec(last)?.[1]) };
    };
    const stuck = await given(first);
    assert.equal(stuck.code, 1, JSON.stringify(stuck));
    assert.match(stuck.stderr, /or more left in .*the same command goes on/);

    // Its name is taken off the list with its disk: nobody else can say what it took.
    assert.equal((await command("cluster", "remove", "b", "--url", c.internal, ...with_key)).code, 0);
    const rest = await given(adopt(c, data_of(a), ...with_key));
    assert.equal(rest.code, 0, JSON.stringify(rest));
    assert.match(rest.stdout, /given to c; none is left in/);
    assert.equal(stuck.jobs + rest.jobs, 3001);
    const here = await depth(c, "ready") + await depth(c, "scheduled");
    // b's disk has what it said that it has, if it came to say so; the rest is here.
    assert.ok(here >= rest.jobs && here <= 3001, `${here} of them, ${rest.jobs} at last`);
    assert.equal(new Set(await ids_of(c)).size, here);
    assert.match((await adopt(c, data_of(a), ...with_key)).stdout, /there are no jobs in/);
  });

  test("goes on with the taker's own folder when that is dead as well", async (t) => {
    const { a, b, c, servers } = await bereaved(t, 40, { remove: false });
    assert.match((await adopt(c, data_of(a), ...with_key)).stdout, /41 jobs given to b/);
    await b.kill("SIGKILL");
    await keeps(c, "c", 0);
    for (const each of ["a", "b"]) assert.equal((await command("cluster", "remove", each, "--url", c.internal, ...with_key)).code, 0);
    assert.equal(await depth(c, "ready"), 0);
    const done = await adopt(c, data_of(b), ...with_key);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /41 jobs given to c; none is left in/);
    assert.match((await adopt(c, data_of(a), ...with_key)).stdout, /there are no jobs in/);
    servers.push(await start_node("", "d", [(await status_of(c)).address], ["--data-dir", "data"]));
    await keeps(c, "c", 1);
    await eventually("all of them ended", async () => await ended(c, "SUCCESS") >= 40, 90_000);
    assert.equal(await ended(c, "SUCCESS"), 40);
  });

  test("is refused when it is in use, a living node's, no store, or nobody may", async (t) => {
    const { a, b, servers } = await bereaved(t, 1, { remove: false });
    const refused = async (code, pattern, ...how) => {
      const got = await adopt(b, ...how);
      assert.equal(got.code, code, JSON.stringify(got));
      assert.match(got.stderr, pattern);
      assert.equal(got.stderr.trim().split("\n").length, 1, got.stderr);
    };
    await refused(2, /there is no store in it/, a.folder, ...with_key);
    await refused(2, /is b's, which lives/, data_of(b), ...with_key, "--force");
    const copy = await mkdtemp(join(tmpdir(), "madang-e2e-copy-"));
    t.after(() => rm(copy, { recursive: true, force: true }));
    await cp(data_of(b), copy, { recursive: true, filter: (path) => !/\.sock/.test(path) });
    await refused(2, /is b's, which lives/, copy, ...with_key);
    const single = await Server.start({ config: `api_keys = ["tests:all:${key}"]\n`, options: ["--no-worker-process", "--data-dir", "data"] });
    servers.push(single);
    await refused(2, /is not the folder of a node that was in a cluster/, data_of(single), ...with_key);
    await refused(2, /another process uses it/, data_of(single), ...with_key, "--force");
    await refused(1, /X-API-Key|none of this server's|no key/, data_of(a));
    await refused(1, /0 jobs given, .*right manage/, data_of(a), "--api-key", "another-key-that-is-long-enough");
    assert.equal(await depth(b, "ready"), 0);
    // Of a single server, which is stopped.
    await enqueue(single, [report("of-one-alone")]);
    await single.kill("SIGKILL");
    const done = await adopt(b, data_of(single), ...with_key, "--force");
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /1 job given to b/);
  });
});
