#!/usr/bin/env node
// Strangers at the cluster's port of one of three nodes with certificates: garbage, silence, half of a TLS handshake, lengths that
// cannot be, a handshake that was recorded, wrong certificates and none.
//
//   attackers.mjs SEED [short | MINUTES]
//
// All the time members on each node see every publication once and in order. No attacker becomes a link, no link ends, no view
// changes; afterwards the node has the files that it had, its memory grew by no more than `memory_bound`, and it is as idle as before.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connect_tls } from "node:tls";
import { promisify } from "node:util";
import { Client } from "../e2e/support/client.mjs";
import { Server } from "../e2e/support/server.mjs";
import { make_dice } from "./dice.mjs";

const seed = Number(process.argv[2] ?? 1);
const how_long = process.argv[3] ?? "10";
const ends_after_ms = how_long === "short" ? 15_000 : Number(how_long) * 60_000;
const warm_up_ms = Math.min(60_000, ends_after_ms / 3);
const at_a_time = 24;
const memory_bound = 16 << 20; // bytes, from the end of the warm-up on
console.log(`seed ${seed}, ${how_long === "short" ? "short" : `${how_long} minutes`}`);

const dice = make_dice(seed);
const noise = (most) => Buffer.from(Array.from({ length: 1 + dice(most) }, () => dice(256)));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const failures = [];
function require(so, otherwise) {
  if (so) return;
  failures.push(otherwise);
  console.error(`FAILED: ${otherwise}`);
}
async function until(what, holds, patience_ms = 60_000) {
  for (const end = Date.now() + patience_ms; ; await pause(50)) {
    const got = await holds();
    if (got === true) return;
    if (Date.now() > end) throw new Error(`${what}: not within ${patience_ms} ms, but ${JSON.stringify(got)}`);
  }
}

// ------------------------------------------------------------------------------------------- three nodes

const binary = process.env.MADANG_BIN;
const run = promisify(execFile);
const [folder, other] = [await mkdtemp(join(tmpdir(), "madang-attackers-")), await mkdtemp(join(tmpdir(), "madang-other-ca-"))];
const names = ["a", "b", "c"];
for (const [where, whom] of [[folder, [...names, "spare"]], [other, ["mallory"]]]) {
  await run(binary, ["cluster", "init-ca", where]);
  for (const name of whom) await run(binary, ["cluster", "issue", name, where]);
}
const status_of = async (node) => (await fetch(`${node.internal}/cluster`)).json();
const nodes = [];
async function start(name, others = []) {
  nodes.push(await Server.start({ options: [
    "--cluster-listen", "127.0.0.1:0", "--node-name", name, "--cluster-certificate", join(folder, `${name}.pem`), "--cluster-key",
    join(folder, `${name}.key`), "--cluster-ca", join(folder, "ca.pem"), "--cluster-handshake-timeout", "2s", "--no-worker-process",
    ...others.flatMap((each) => ["--join", each])] }));
  return nodes.at(-1);
}
async function metrics_of(node) {
  const all = {};
  for (const line of (await (await fetch(`${node.internal}/metrics`)).text()).split("\n")) {
    const [, name, value] = /^(\w+)(?:\{.*\})? (\S+)$/.exec(line) ?? [];
    if (name) all[name] = (all[name] ?? 0) + Number(value);
  }
  return all;
}
// Of a process, as Linux tells it; ms.
function cpu_of(node) {
  const fields = readFileSync(`/proc/${node.child.pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

// Bytes of a node's own handshake, as it dials through here.
async function recorder(port) {
  const recorded = [];
  const server = createServer((from) => {
    const to = connect(port, "127.0.0.1");
    const bytes = [];
    recorded.push(bytes);
    from.on("data", (piece) => { if (bytes.length < 32) bytes.push(piece); });
    from.pipe(to).pipe(from);
    for (const each of [from, to]) each.on("error", () => { from.destroy(); to.destroy(); });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { address: `127.0.0.1:${server.address().port}`, recorded, stop: () => server.close() };
}

// ------------------------------------------------------------------------------------------- what is tried

let port = 0, recorded = [];
const client_hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
const certificate_of = (where, name) => ({ cert: readFileSync(join(where, `${name}.pem`)), key: readFileSync(join(where, `${name}.key`)) });
const certificates = { none: {}, foreign: certificate_of(other, "mallory"), spare: certificate_of(folder, "spare") };

// Until the node closes it, or that long.
function raw(bytes, stays_ms, answered) {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => { if (bytes.length) socket.write(bytes); });
    const timer = setTimeout(() => socket.destroy(), stays_ms);
    socket.on("data", (piece) => answered?.(piece));
    socket.on("error", () => {});
    socket.on("close", () => { clearTimeout(timer); done(); });
  });
}
function over_tls(as, bytes, stays_ms) {
  return new Promise((done) => {
    const socket = connect_tls({ port, host: "127.0.0.1", rejectUnauthorized: false, minVersion: "TLSv1.3", ...certificates[as] },
                               () => { if (bytes.length) socket.write(bytes); });
    const timer = setTimeout(() => socket.destroy(), stays_ms);
    socket.on("data", () => {});
    socket.on("error", () => {});
    socket.on("close", () => { clearTimeout(timer); done(); });
  });
}
// Frames: length:u32 kind:u8, as link_frame.hpp has it.
function frame(kind, length, bytes) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length >>> 0);
  head[4] = kind;
  return Buffer.concat([head, bytes]);
}
const lengths = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 20, 65_536];
const attacks = {
  garbage: () => raw(noise(3000), 300),
  silence: () => raw(Buffer.alloc(0), 500 + dice(4000)),
  half_tls: () => raw(Buffer.concat([client_hello.subarray(0, 1 + dice(client_hello.length)), dice(2) ? noise(400) : Buffer.alloc(0)]), 500 + dice(4000)),
  huge_lengths: () => over_tls("spare", frame(dice(12), lengths[dice(lengths.length)], noise(500)), 1000),
  data_first: () => over_tls("spare", frame(4, 65, noise(64)), 1000),
  stalled_hello: () => over_tls("spare", frame(1, 200, noise(20)), 500 + dice(4000)),
  spoiled: () => {
    const bytes = Buffer.from(recorded.length ? recorded[dice(recorded.length)] : noise(400));
    for (let n = 1 + dice(6); n > 0; n -= 1) bytes[dice(bytes.length)] = dice(256);
    return raw(bytes, 500);
  },
  replayed: () => raw(recorded.length ? recorded[dice(recorded.length)] : noise(400), 500),
  no_certificate: () => over_tls("none", frame(4, 65, noise(64)), 500),
  foreign_certificate: () => over_tls("foreign", frame(4, 65, noise(64)), 500),
};
const kinds = Object.keys(attacks);
const tried = Object.fromEntries(kinds.map((each) => [each, 0]));

// ------------------------------------------------------------------------------------------- the mesh goes on

let talking = true, said = 0;
const members = [];
async function talk(by) {
  for (; talking; await pause(40)) {
    by.send({ message: `word ${said}` });
    said += 1;
  }
}
async function listen(member) {
  try {
    for (;;) {
      const text = JSON.parse(await member.client.receive()).message;
      const [, number] = /^word (\d+)$/.exec(text) ?? [];
      if (number === undefined) continue;
      require(Number(number) === member.next, `${member.name} heard ${number}, not ${member.next}`);
      member.next = Number(number) + 1;
    }
  } catch (error) {
    if (talking) require(false, `${member.name}: ${error.message}`);
  }
}

try {
  const a = await start("a");
  const { address } = await status_of(a);
  port = Number(address.split(":").at(-1));
  const through = await recorder(port);
  const b = await start("b", [through.address]);
  const c = await start("c", [address]);
  for (const each of [a, b, c])
    await until("three nodes that see each other", async () => {
      const { state, nodes: others } = await status_of(each);
      return (state === "up" && others.length === 2 && others.every((peer) => peer.state === "up" && peer.link)) || others;
    });
  recorded = through.recorded.map((pieces) => Buffer.concat(pieces)).filter((bytes) => bytes.length > 100);
  require(recorded.length !== 0, "no handshake was recorded");

  for (const [i, each] of [a, b, c].entries())
    members.push({ name: names[i], client: await Client.connect(each, "/ws/chat/attacked/"), next: 0 });
  await until("members that hear each other", async () => {
    members[0].client.send({ message: "hello" });
    const heard = await Promise.all(members.map((each) => each.client.receive().then((text) => JSON.parse(text).message, () => "")));
    return heard.every((text) => text === "hello");
  });
  const views = (await metrics_of(a)).madang_cluster_views_total;
  for (const each of members) listen(each);
  const talker = talk(members[0].client);

  const busy_ms = async (for_ms) => {
    const before = cpu_of(a);
    await pause(for_ms);
    return cpu_of(a) - before;
  };
  const idle_before = await busy_ms(3000);
  const files_before = (await metrics_of(a)).process_open_fds;
  const began = Date.now();
  let memory = 0;
  const attacker = async () => {
    while (Date.now() - began < ends_after_ms && !failures.length) {
      const kind = kinds[dice(kinds.length)];
      tried[kind] += 1;
      await attacks[kind]();
      if (!memory && Date.now() - began > warm_up_ms) memory = (await metrics_of(a)).process_resident_memory_bytes;
    }
  };
  await Promise.all(Array.from({ length: at_a_time }, attacker));

  await until("the attackers' connections gone", async () => {
    const { process_open_fds } = await metrics_of(a);
    return process_open_fds <= files_before || process_open_fds;
  }, 30_000).catch((error) => require(false, error.message));
  const idle_after = await busy_ms(3000);
  const now = await metrics_of(a);
  const status = await status_of(a);
  const grown = now.process_resident_memory_bytes - memory;
  console.log(`${JSON.stringify(tried)}; refused ${now.madang_cluster_refused_total}, ${said} words, memory ${(memory / 1048576).toFixed(1)} MiB ` +
    `and ${(grown / 1048576).toFixed(1)} more, CPU in 3 s idle ${idle_before} ms before and ${idle_after} ms after`);
  require(grown <= memory_bound, `memory grew by ${grown} bytes`);
  require(idle_after <= idle_before + 300, `3 idle s took ${idle_after} ms of CPU, ${idle_before} before`);
  require(now.madang_cluster_links === 2 && status.nodes.length === 2, `there are ${now.madang_cluster_links} links`);
  require((now.madang_cluster_link_ends_total ?? 0) === 0, `${now.madang_cluster_link_ends_total} links ended`);
  require(now.madang_cluster_views_total === views, `${now.madang_cluster_views_total - views} views came of it`);
  require(now.madang_cluster_refused_total > 0, "nobody was refused");
  talking = false;
  await talker;
  await until("the last word", async () => members.every((each) => each.next === said) || members.map((each) => each.next));
  through.stop();
} catch (error) {
  require(false, error.stack);
}
for (const each of members) each.client.socket.terminate();
if (failures.length) for (const each of nodes) console.error(each.output.slice(-3000));
await Promise.all(nodes.map((each) => each.stop()));
for (const each of [folder, other]) await rm(each, { recursive: true, force: true });
console.log(failures.length ? `${failures.length} failed; seed ${seed}` : "ok");
process.exit(failures.length ? 1 : 0);
