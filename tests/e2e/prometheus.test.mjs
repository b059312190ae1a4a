// A real Prometheus reads servers at work: every expression of every panel and rule has an answer, nothing fires while all is well,
// and the alerts fire when their fault is caused.
//
// So that it takes seconds, the rules' ranges are 8 s (restarts are counted over 60), what they wait for (`for`) is 1 s, and the
// thresholds are less that take minutes or gigabytes to reach (`sooner`); expressions, comparisons and all other thresholds are those
// of monitoring/alerts/madang.yml.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { Client } from "./support/client.mjs";
import { project_dir } from "./support/paths.mjs";
import { Prometheus } from "./support/prometheus.mjs";
import { Server } from "./support/server.mjs";

const run = promisify(execFile);
const binary = resolve(process.env.MADANG_BIN ?? join(project_dir, "build/release/madang"));
const torture = join(dirname(binary), "madang-torture-plugins/torture.so"); // fails as it is asked to
const key = "a-key-of-these-tests-that-is-long-enough";
const range = "8s";
const patience_ms = 90_000;

async function eventually(what, holds) {
  const end = Date.now() + patience_ms;
  for (let last; ; await pause(200)) {
    try {
      const value = await holds();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) assert.fail(`${what}: not within ${patience_ms} ms; at last ${last?.stack ?? JSON.stringify(last)}`);
  }
}

// What has no answer although all is well, and why.
const rightly_empty = {
  "sum(ALERTS": "no alert fires",
  "changes(process_start_time_seconds": "no node has started since the first scrape",
};

const children = new Set();
const servers = [];
let folder, prometheus, load;
process.on("exit", () => { for (const each of children) each.kill("SIGKILL"); });

const status_of = async (server) => (await fetch(`${server.internal}/cluster`)).json();
async function api(server, path, body, method = "POST") {
  const answer = await fetch(`${server.internal}/api/${path}`, { method, headers: { "X-API-Key": key }, body: body && JSON.stringify(body) });
  return answer.json();
}
// What the server's own page says of `metric`, written as there; NaN: nothing.
async function figure(server, metric) {
  const lines = (await (await fetch(`${server.internal}/metrics`)).text()).split("\n");
  return Number(lines.find((each) => each.startsWith(`${metric} `))?.slice(metric.length));
}
async function enqueue(server, ...jobs) {
  const answer = await api(server, "jobs", jobs);
  assert.ok(answer.jobs, JSON.stringify(answer));
  return answer;
}
const instance = (server) => new URL(server.internal ?? server.was).host;

async function start(name, { options = [], config = "" } = {}) {
  const server = await Server.start({
    config: `api_keys = ["tests:all:${key}"]\nbackup_dir = "${folder}/backups-${name}"\n` +
      `[namespace.news]\nallow_subscribe = "everyone"\nhistory_size = 100\nhistory_ttl = "10m"\nrecovery = true\npresence = true\n` + config,
    options: ["--no-worker-process", "--plugin", torture, "--job-loss-limit", "1", "--log-level", "error",
              "--drain-timeout", "1h", "--drain-spread", "1h", ...options] });
  servers.push(server);
  server.was = server.internal;
  return server;
}

const cluster_options = (name, joins, ca = `${folder}/ca`) =>
  ["--cluster-listen", "127.0.0.1:0", "--cluster-size", "2", "--node-name", name, ...joins.flatMap((each) => ["--join", each]),
   "--cluster-certificate", `${ca}/${name}.pem`, "--cluster-key", `${ca}/${name}.key`, "--cluster-ca", `${ca}/ca.pem`];

async function start_worker(server) {
  const worker = spawn(binary, ["worker", "--config", join(server.folder, "madang.toml"), "--concurrency", "1", "--plugin", torture,
                                "--worker-socket", join(server.folder, "madang-data", "workers.sock")],
                       { cwd: server.folder, stdio: ["ignore", "ignore", "ignore"] });
  children.add(worker);
  worker.once("exit", () => children.delete(worker));
  return worker;
}

// Chat, subscribers, publications, presence, jobs, views: a little of everything, until it is ended.
function begin_load(on) {
  const clients = [];
  const state = { over: false, end: async () => { state.over = true; await state.done; clients.forEach((each) => each.terminate()); } };
  const sent = (socket, message) => { if (socket.readyState === WebSocket.OPEN) socket.send(message); };
  for (const server of on) {
    for (let i = 0; i < 4; i += 1) {
      const socket = new WebSocket(server.ws("/ws/chat/yard/"), { origin: server.url });
      const subscriber = new WebSocket(server.ws("/connection/websocket"), { origin: server.url });
      subscriber.on("open", () => subscriber.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news:kr"}}'));
      subscriber.on("message", (text) => { if (text.toString() === "{}") sent(subscriber, "{}"); });
      for (const each of [socket, subscriber]) each.on("error", () => {});
      clients.push(socket, subscriber);
    }
  }
  state.done = (async () => {
    for (let n = 0; !state.over; n += 1, await pause(100)) {
      clients.filter((_, i) => i % 2 === 0).forEach((each) => sent(each, JSON.stringify({ message: `hello ${n}` })));
      await Promise.all(on.filter((each) => each.internal).flatMap((server) => [
        n % 5 === 0 && Client.connect(server, "/ws/chat/passing/").then((client) => client.close()),
        api(server, "publish", { channel: "news:kr", data: n }),
        n % 5 === 0 && enqueue(server, { task: "reports.tidy" }),
        fetch(`${server.url}/`),
        fetch(`${server.url}/api/reports/x/file`), // a view of the pool
        fetch(`${server.url}/api/reports/x/file`, { headers: { Authorization: "Bearer nobody" } }),
      ]).map((each) => Promise.resolve(each).catch(() => {})));
    }
  })();
  return state;
}

async function panels() {
  const boards = join(project_dir, "monitoring/grafana/dashboards");
  const found = [];
  for (const file of await readdir(boards)) {
    const board = JSON.parse(await readFile(join(boards, file), "utf8"));
    const asked = [...board.panels.flatMap((panel) => (panel.targets ?? []).map((target) => [`${file}, ${panel.title}`, target.expr])),
                   ...board.annotations.list.map((each) => [`${file}, ${each.name}`, each.expr])];
    for (const [where, expression] of asked)
      found.push({ where, expression: expression.replaceAll("$__rate_interval", range).replaceAll("$job", "madang").replaceAll("$instance", ".*") });
  }
  assert.ok(found.length > 100, `${found.length} expressions`);
  return found;
}

const sooner = [["madang_job_queue_oldest_seconds > 300", "madang_job_queue_oldest_seconds > 1"],
                ["madang_schedule_lag_seconds_bucket[15m]))) > 30", "madang_schedule_lag_seconds_bucket[15m]))) > 1"],
                ["process_resident_memory_bytes > 268435456", "process_resident_memory_bytes > 1048576"],
                ["[30m]) > 2", "[60_s]) > 2"]];
function quick(rules) {
  for (const [now, then] of sooner) {
    assert.ok(rules.includes(now), `no rule has ${now}`);
    rules = rules.replace(now, then);
  }
  return rules.replace(/^( +)for: .*/gm, "$1for: 1s").replace(/\[\d+[smhd]\]/g, `[${range}]`).replace("60_s", "60s");
}
// They foresee a day or hours: from the seconds of this test that says nothing but that they can fire.
const foresee = ["MadangMemoryGrows", "MadangDiskFills"];

async function firing() {
  const found = await prometheus.ask('ALERTS{alertstate="firing"}');
  return found.map(({ metric }) => metric).filter((each) => !foresee.includes(each.alertname));
}
// Each of `alerts`, [name, labels], fires, or has fired since the fault was caused. A machine that stands still for seconds may hide
// an event from a range of 8 s: then it is caused again.
const fired = new Set(["MadangLinksMissing"]); // two of three nodes without a link: tests/cluster/faults.mjs
async function caused(cause, ...alerts) {
  alerts.forEach(([name]) => fired.add(name));
  const end = Date.now() + patience_ms;
  for (;;) {
    const began = Date.now();
    await cause();
    const missing = async () => {
      const seconds = Math.ceil((Date.now() - began) / 1000) + 1;
      const found = await Promise.all(alerts.map(async ([name, labels = {}]) => {
        const wanted = Object.entries({ alertname: name, alertstate: "firing", ...labels }).map(([label, value]) => `${label}="${value}"`);
        return (await prometheus.ask(`max_over_time(ALERTS{${wanted}}[${seconds}s])`)).length ? [] : [name];
      }));
      return found.flat();
    };
    let left = await missing();
    for (; left.length && Date.now() < began + 20_000; left = await missing()) await pause(200);
    if (!left.length) return;
    if (Date.now() > end) assert.fail(`not within ${patience_ms} ms: ${left}`);
  }
}
const nothing_more = () => {}; // the fault lasts

let a, b, c, worker;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "madang-watched-"));
  for (const args of [["init-ca", `${folder}/ca`], ["issue", "a", `${folder}/ca`], ["issue", "b", `${folder}/ca`]])
    await run(binary, ["cluster", ...args]);
  a = await start("a", { options: [...cluster_options("a", []), "--cluster-credit-bytes", "4M"], config: '[schedule.tidy]\ntask = "reports.tidy"\nevery = "1s"\n' });
  b = await start("b", { options: cluster_options("b", [(await status_of(a)).address]) });
  c = await start("c", { options: ["--proxy-connect", "http://127.0.0.1:1/", "--proxy-breaker-failures", "1", "--max-connections", "8",
                                   "--handler-budget", "5ms", "--sync-threads", "1", "--store-free-bytes", "1M"],
                         config: `[schedule.step]\ntask = "torture.inline"\nkwargs = {ledger = "${folder}/inline"}\nevery = "4s"\n` });
  await eventually("a keeps the jobs", async () => (await status_of(a)).jobs.home === "a" && (await status_of(a)).jobs.served);
  worker = await start_worker(a);
  await eventually("the worker is there", async () => (await api(a, "workers", undefined, "GET")).workers.length > 0);
  prometheus = await Prometheus.start([a, b, c].map(instance), quick(await readFile(join(project_dir, "monitoring/alerts/madang.yml"), "utf8")));
  load = begin_load([a, b]);
});
after(async () => {
  await load?.end();
  prometheus?.end();
  for (const each of children) each.kill("SIGKILL");
  await Promise.all(servers.map((each) => each.stop()));
  if (folder) await rm(folder, { recursive: true, force: true });
});

describe("while all is well", () => {
  test("every panel's expression has an answer", async () => {
    await api(a, "backup", { name: "first" });
    const all = await panels();
    await eventually("answers", async () => {
      const empty = [];
      for (const { where, expression } of all) {
        const answer = await prometheus.ask(expression.replace(" or vector(0)", "")); // what a panel shows for want of an answer
        const reason = Object.keys(rightly_empty).find((each) => expression.includes(each));
        if (!answer.length && !reason) empty.push(`${where}: ${expression}`);
      }
      if (empty.length) throw new Error(`no answer:\n${empty.join("\n")}`);
      return true;
    });
  });

  test("the times that panels show are of something that happened", async () => {
    const nothing_happens = /http_fetch/; // no server of the load has a backend
    const times = (await panels()).filter(({ expression }) => expression.startsWith("histogram_quantile") && !nothing_happens.test(expression));
    await eventually("times", async () => {
      const none = [];
      for (const { where, expression } of times)
        if (!(await prometheus.ask(expression)).some(({ value }) => value > 0)) none.push(`${where}: ${expression}`);
      if (none.length) throw new Error(`not yet:\n${none.join("\n")}`);
      return true;
    });
  });

  test("what every rule looks at is there, and none fires", async () => {
    for (const rule of await prometheus.rules()) {
      assert.equal(rule.health, "ok", `${rule.name}: ${rule.lastError}`);
      for (const [metric] of rule.query.matchAll(/(?:madang|process)[:_][a-z0-9_:]+(?:\{[^}]*\})?/g))
        assert.notEqual((await prometheus.ask(metric)).length, 0, `${rule.name}: there is no ${metric}`);
    }
    const of_a_busy_machine = ["MadangLoopLag", "MadangStoreSlow", "MadangPoolFull", "MadangDiskLow"];
    await eventually("none fires", async () => {
      const fired = (await firing()).filter((each) => !of_a_busy_machine.includes(each.alertname));
      if (fired.length) throw new Error(JSON.stringify(fired));
      return true;
    });
  });
});

describe("an alert fires when its fault is caused:", () => {
  test("a plugin throws", async () => {
    await caused(async () => {
      for (let i = 0; i < 40; i += 1) assert.equal((await fetch(`${a.url}/view/std`)).status, 500);
      for (let i = 0; i < 5; i += 1) {
        const client = await Client.connect(a, "/ws/throw/receive/std/");
        client.send("throw");
        await client.end();
      }
    }, ["MadangPluginFailing", { plugin: "torture", instance: instance(a) }], ["MadangHttpErrors", { instance: instance(a) }],
    ["MadangErrorsLogged", { instance: instance(a) }]);
  });

  test("a handler takes too long", async () => {
    const big = JSON.stringify({ message: "x", more: Array.from({ length: 60_000 }, (_, i) => ({ i })) });
    const client = await Client.connect(c, "/ws/ping/");
    await caused(() => { for (let i = 0; i < 5; i += 1) client.send(big); }, ["MadangHandlersSlow", { plugin: "ping", instance: instance(c) }]);
    await client.close();
  });

  test("a backend does not answer", async () => {
    await caused(async () => {
      const client = await Client.connect(c, "/connection/websocket");
      client.send({ id: 1, connect: {} });
      await client.receive();
      client.socket.terminate();
    }, ["MadangBreakerOpen", { instance: instance(c) }]);
  });

  test("hardly a connection is left", async () => {
    const clients = await Promise.all(Array.from({ length: 7 }, () => Client.connect(c, "/ws/ping/")));
    await caused(nothing_more, ["MadangConnectionsNearLimit", { instance: instance(c) }]);
    clients.forEach((each) => each.socket.terminate());
  });

  test("hardly a file can be opened, and then none", async () => {
    const { length: open } = await readdir(`/proc/${c.child.pid}/fd`);
    const { stdout: before } = await run("prlimit", ["--pid", c.child.pid, "--nofile", "--output", "SOFT", "--noheadings"]);
    const most = (files) => run("prlimit", ["--pid", c.child.pid, `--nofile=${files}:`]);
    await most(open + 1);
    const waiting = [];
    await caused(() => {
      for (let i = 0; i < 20; i += 1) waiting.push(connect(new URL(c.url).port, "127.0.0.1").on("error", () => {}));
    }, ["MadangFilesNearLimit", { instance: instance(c) }], ["MadangAcceptErrors", { instance: instance(c) }]);
    await most(before.trim());
    waiting.forEach((each) => each.destroy());
  });

  test("a plugin keeps a loop", async () => {
    await caused(async () => {
      for (let i = 0; i < 10; i += 1) await fetch(`${c.url}/slow/loop/200`);
    }, ["MadangLoopLag", { instance: instance(c) }]);
  });

  test("views keep the pool's one thread", async () => {
    await caused(() => Promise.all(Array.from({ length: 6 }, () => fetch(`${c.url}/slow/pool/600`))),
                 ["MadangPoolFull", { instance: instance(c) }]);
  });

  test("a consumer fails again and again", async () => {
    const client = await Client.connect(c, "/ws/throw/neighbour/std/");
    await caused(() => { for (let i = 0; i < 8; i += 1) client.send("background"); },
                 ["MadangActorRestarts", { instance: instance(c), actor: "background" }]);
    await client.close();
  });

  test("a schedule is late", async () => {
    const fires = async () => (await readFile(`${folder}/inline`, "utf8")).length;
    const seconds = (n) => pause(n * 1000);
    await caused(async () => { // the machine stands still when the next fire is due, for 3 s more
      const before = await fires();
      await eventually("a fire", async () => await fires() > before);
      await seconds(3);
      c.child.kill("SIGSTOP");
      await seconds(4);
      c.child.kill("SIGCONT");
    }, ["MadangSchedulesLate"]);
  });

  test("memory grows, and a disk fills", async () => {
    const waste = await open(join(c.folder, "waste"), "w");
    const kept = [];
    await caused(async () => {
      for (let i = 0; i < 10; i += 1) {
        await waste.write(Buffer.alloc(16 << 20, 1));
        await waste.datasync();
        kept.push(await Client.connect(b, "/connection/websocket"));
        kept.at(-1).send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news:heap"}}');
        while (!(await kept.at(-1).receive()).includes('"id":2'));
        kept.at(-1).socket.pause();
        await api(b, "publish", { channel: "news:heap", data: "x".repeat(500_000) });
        await pause(200);
      }
    }, ["MadangMemoryGrows", { instance: instance(b) }], ["MadangDiskFills", { instance: instance(c) }]);
    await waste.close();
    await rm(join(c.folder, "waste"));
    kept.forEach((each) => each.socket.terminate());
  });

  test("clients do not read", async () => {
    await caused(async () => {
      const slow = await Promise.all(Array.from({ length: 12 }, () => Client.connect(b, "/connection/websocket")));
      for (const each of slow) each.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news:flood"}}');
      for (const each of slow) while (!(await each.receive()).includes('"id":2'));
      for (const each of slow) each.socket.pause();
      const data = "x".repeat(900_000);
      for (let i = 0; i < 12; i += 1) await api(b, "publish", { channel: "news:flood", data });
      await eventually("they are cut off", async () => await figure(b, 'madang_closes_total{code="3008"}') >= 12);
      slow.forEach((each) => each.socket.terminate());
    }, ["MadangOutboxDisconnects", { instance: instance(b) }]);
  });

  test("a node does not read what another sends", async () => {
    // Some of them live on a: it delivers to b what is published there.
    const channels = Array.from({ length: 8 }, (_, i) => `news:far${i}`);
    const listener = await Client.connect(b, "/connection/websocket");
    listener.send(['{"id":1,"connect":{}}', ...channels.map((channel, i) => JSON.stringify({ id: i + 2, subscribe: { channel } }))].join("\n"));
    for (let answers = 0; answers < 9;) answers += (await listener.receive()).split("\n").filter((each) => each.includes('"id":')).length;
    const data = "x".repeat(900_000);
    const publish = (channel) => fetch(`${a.internal}/api/publish`, {
      method: "POST", headers: { "X-API-Key": key }, body: JSON.stringify({ channel, data }), signal: AbortSignal.timeout(10_000) }).catch(() => {});
    const drops = () => figure(a, "madang_cluster_drops_total");
    await caused(async () => {
      const before = await drops();
      b.child.kill("SIGSTOP");
      const sent = []; // what b's groups are sent is answered when it goes on
      for (let i = 0; i < 20 && await drops() === before; i += 1) {
        sent.push(...channels.map(publish));
        await pause(100);
      }
      b.child.kill("SIGCONT");
      await Promise.all(sent);
    }, ["MadangPeerDrops", { instance: instance(a) }]);
    await eventually("both are there again", async () => (await status_of(a)).nodes.every((each) => each.state === "up"));
    listener.socket.terminate();
  });

  test("a certificate cannot be read", async () => {
    await writeFile(`${folder}/ca/a.key`, "this is no key");
    await caused(() => a.child.kill("SIGHUP"), ["MadangReloadFailed", { instance: instance(a) }]);
  });

  test("a certificate ends soon", async () => {
    await rm(`${folder}/ca/a.key`);
    await rm(`${folder}/ca/a.pem`);
    await run(binary, ["cluster", "issue", "a", `${folder}/ca`, "--days", "7"]);
    await caused(() => a.child.kill("SIGHUP"), ["MadangCertificateEnds", { instance: instance(a), listener: "cluster" }]);
  });

  test("a stranger wants to join", async () => {
    for (const args of [["init-ca", `${folder}/other`], ["issue", "d", `${folder}/other`]]) await run(binary, ["cluster", ...args]);
    await start("d", { options: cluster_options("d", [(await status_of(a)).address], `${folder}/other`) });
    await caused(nothing_more, ["MadangPeersRefused", { instance: instance(a) }]); // it dials again and again
  });

  test("a backup fails", async () => {
    await caused(() => api(a, "backup", { name: "first" }), // is there already
                 ["MadangBackupFailed", { instance: instance(a), outcome: "invalid_option" }]);
  });

  const step = (how) => ({ task: "torture.step", kwargs: { ledger: join(folder, "ledger"), ...how } });

  test("jobs fail for good", async () => {
    await caused(() => enqueue(a, ...Array.from({ length: 20 }, () => step({ fails: 100 }))), // more than it is tried again: 20 times in a second
                 ["MadangDeadLetters", { queue: "torture" }], ["MadangJobsFailing"]);
  });

  test("a worker dies with a job, and none is left", async () => {
    await caused(async () => {
      worker ??= await start_worker(a);
      const { jobs: [{ id }] } = await enqueue(a, step({ ms: 600_000 }));
      await eventually("it runs", async () => (await api(a, `jobs/${id}`, undefined, "GET")).state === "STARTED");
      const gone = once(worker, "exit");
      worker.kill("SIGKILL");
      await gone;
      worker = undefined;
    }, ["MadangLeasesLost", { instance: instance(a) }], ["MadangNoWorkers", { instance: instance(a) }], ["MadangQueueAge"]);
  });

  test("a node drains", async () => {
    // With its spread of an hour only a loop's first is told now; the others keep the drain going.
    const clients = await Promise.all(Array.from({ length: 6 }, () => Client.connect(c, "/ws/ping/")));
    c.child.kill("SIGTERM");
    await caused(nothing_more, ["MadangNotReady", { instance: instance(c) }]);
    clients.forEach((each) => each.socket.terminate());
    await c.kill("SIGKILL");
  });

  test("a server starts again and again", async () => {
    c.internal_listen = instance(c); // Prometheus knows it there
    await caused(async () => {
      await c.kill("SIGKILL");
      await c.start_again();
      const { mtimeMs } = await stat(`/proc/${c.child.pid}`);
      await eventually("the start is seen", async () => {
        const [{ value } = { value: 0 }] = await prometheus.ask(`process_start_time_seconds{instance="${instance(c)}"}`);
        return Math.abs(value * 1000 - mtimeMs) < 1000;
      });
    }, ["MadangRestarts", { instance: instance(c) }]);
  });

  test("a node dies", async () => {
    await b.kill("SIGKILL");
    await caused(nothing_more, ["MadangNodeDown", { instance: instance(b) }], ["MadangNodesMissing", { instance: instance(a) }],
                 ["MadangNoQuorum", { instance: instance(a) }], ["MadangJobsHomeless"]);
  });

  test("the disk has no room", async () => {
    await a.kill("SIGKILL");
    // On a's addresses, which Prometheus knows.
    const full = await Server.start({
      options: ["--store-free-bytes", "1024G", "--no-worker-process", "--log-level", "off"], internal: instance(a),
      config: `api_keys = ["tests:all:${key}"]\n[namespace.news]\nhistory_size = 100\nhistory_ttl = "10m"\n` });
    servers.push(full);
    const clients = [];
    await caused(async () => {
      clients.push(await Client.connect(full, "/ws/chat/yard/"));
      for (let i = 0; i < 40; i += 1) assert.ok((await api(full, "publish", { channel: "news:kr", data: i })).error);
    }, ...["MadangStoreDown", "MadangDiskLow", "MadangStoreRefuses", "MadangPresenceUnwritten", "MadangPublicationsRefused"]
      .map((each) => [each, { instance: instance(full) }]));
    clients.forEach((each) => each.socket.terminate());
    await full.kill("SIGKILL");
  });

  test("the disk is slow", async () => {
    const slow = await Server.start({
      options: ["--no-worker-process", "--log-level", "off"], internal: instance(a),
      config: `api_keys = ["tests:all:${key}"]\n[namespace.news]\nhistory_size = 100\nhistory_ttl = "10m"\nhistory_durability = "synced"\n`,
      env: { LD_PRELOAD: join(dirname(torture), "slow_disk.preload"), MADANG_TEST_SYNC_MS: "1500" } });
    servers.push(slow);
    await caused(() => api(slow, "publish", { channel: "news:kr", data: 1 }), ["MadangStoreSlow", { instance: instance(slow) }]);
  });

  test("there is no other alert", async () => {
    const all = (await prometheus.rules()).filter((each) => each.type === "alerting").map((each) => each.name);
    assert.deepEqual(all.sort(), [...fired].sort());
  });
});
