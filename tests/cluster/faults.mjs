#!/usr/bin/env node
// Three nodes, members on each, publishers everywhere, and one fault after the other: kill -9, SIGSTOP, links cut in one or both
// directions, slow links, restarts in turn.
//
//   faults.mjs SEED [short | MINUTES] [FAULT...]       only these, named as below
//
// After each fault: who is in is seen by all within 3.5 s of its loss, and again within 5 s of its return; 10 s after the fault's end
// presence is exactly those who are connected, asked of every node. All the time: what members see is whole (member.mjs). At
// the end all members are at the same position, and every job that was acknowledged was done, once (jobs.mjs). The short form asks the same, with more patience: other tests run beside it.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { make_dice } from "./dice.mjs";
import { enter_namespace, Network } from "./hosts.mjs";
import { Jobs } from "./jobs.mjs";
import { Ledger, Member } from "./member.mjs";
import { binary, key, make_nodes, pause } from "./nodes.mjs";

await enter_namespace();

const seed = Number(process.argv[2] ?? 1);
const how_long = process.argv[3] ?? "10";
const short = how_long === "short";
const plan = short ? { minutes: 0, faults: 4, members: 30, groups: 12, per_second: 30 }
                   : { minutes: Number(how_long), faults: Infinity, members: 300, groups: 60, per_second: 60 };
const most = short ? { detected: 12_000, back: 20_000, presence: 20_000 } : { detected: 3500, back: 5000, presence: 10_000 };
console.log(`seed ${seed}, ${short ? "short" : `${how_long} minutes`}`);

const dice = make_dice(seed);
const pick = (all) => all[dice(all.length)];

const plugin = join(dirname(binary), "madang-torture-plugins/torture.so");
const config = `api_keys = ["tests:all:${key}"]
[namespace.news]
history_size = 1000
history_ttl = "30m"
recovery = true
presence = true
allow_subscribe = "everyone"
`;
const folder = await mkdtemp(join(tmpdir(), "madang-cluster-"));
const failures = [];
const fail = (what) => {
  failures.push(what);
  console.error(`FAILED: ${what}`);
};
const jobs = new Jobs(folder, fail);
const network = new Network();
const nodes = await make_nodes(network, folder, 3, config + jobs.config, ["--no-bundled", "--plugin", plugin, "--workers", "1", "--drain-timeout", "5s", "--client-ping-interval", "2s",
                                                           "--cluster-size", "3", "--presence-grace", "3s"]);
const ledger = new Ledger();

async function until(patience, holds) {
  for (const end = Date.now() + patience; Date.now() < end; await pause(50)) if (await holds()) return true;
  return false;
}

// ------------------------------------------------------------------------------------------- who sees whom

// ms until all of `who` see that state of affairs; null: they did not in time.
async function until_seen(who, wanted, patience) {
  const began = Date.now();
  for (;;) {
    const views = await Promise.all(who.map((each) => each.sees(1000).then(({ all }) => all, () => null)));
    if (views.every((view) => view !== null && wanted(view))) return Date.now() - began;
    if (Date.now() - began > patience) return null;
    await pause(25);
  }
}
const all_up = (view) => nodes.every((each) => view[each.name] === "up");
const is_out = (name) => (view) => view[name] !== "up" && view[name] !== "unlinked";

// ------------------------------------------------------------------------------------------- load

const groups = Array.from({ length: plan.groups }, (_, i) => `news:${i}`);
const members = [];
let publishing = true;
const sent = { accepted: 0, refused: 0, unknown: 0 };

async function publish_for_ever(node, number) {
  const agent = `${node.name}${number}`;
  for (let count = 0; publishing; count += 1) {
    await pause((1000 * nodes.length * 2) / plan.per_second);
    if (!node.alive) continue;
    const group = pick(groups);
    const text = `${agent} ${count}`;
    try {
      const { result, error } = await node.api("publish", { channel: group, data: { text } });
      if (result) {
        sent.accepted += 1;
        ledger.stands(group, result.epoch, result.offset, text, `publisher ${agent}`);
      } else {
        sent.refused += 1;
        if (!error.temporary && ![100, 503].includes(error.code)) ledger.fault(`publisher ${agent}: ${JSON.stringify(error)}`);
      }
    } catch {
      sent.unknown += 1; // it may have come to be, or not
    }
  }
}

const settled = () => members.every((each) => each.settled);
const until_settled = (patience) => until(patience, settled);

// What is wrong with presence now: "" is nothing.
async function wrong_presence() {
  for (const group of groups) {
    const expected = members.filter((each) => each.groups.has(group)).map((each) => each.id).sort().join(" ");
    for (const node of nodes) {
      const { result, error } = await node.api("presence", { channel: group }).catch((e) => ({ error: { message: e.message } }));
      if (error) return `${node.name}: presence of ${group}: ${error.message}`;
      const found = Object.keys(result.presence).sort().join(" ");
      if (found === expected) continue;
      const [has, wants] = [new Set(found.split(" ")), new Set(expected.split(" "))];
      const ghosts = [...has].filter((each) => !wants.has(each)).length;
      const missing = [...wants].filter((each) => !has.has(each)).length;
      return `${node.name}: presence of ${group}: ${ghosts} ghosts, ${missing} missing of ${wants.size}`;
    }
  }
  return "";
}

// ------------------------------------------------------------------------------------------- faults

const rest = (node) => nodes.filter((each) => each !== node);
async function detected(what, who, name) {
  const ms = await until_seen(who, is_out(name), 15_000);
  if (ms === null || ms > most.detected) fail(`${what}: ${name} was out after ${ms ?? "more than 15000"} ms`);
  return ms;
}

// Each returns when the fault is over and says what it saw.
const faults = {
  async "kill -9"() {
    const node = pick(nodes);
    node.signal("SIGKILL");
    const out = await detected("kill -9", rest(node), node.name);
    await pause(dice(3000));
    await node.start();
    return `${node.name}, out after ${out} ms`;
  },
  async SIGSTOP() {
    const node = pick(nodes);
    const long = dice(2) === 0;
    node.signal("SIGSTOP");
    const out = long ? await detected("SIGSTOP", rest(node), node.name) : 0;
    await pause(long ? dice(4000) : dice(1500));
    node.signal("SIGCONT");
    return `${node.name}, ${long ? `out after ${out} ms` : "shorter than the timeout"}`;
  },
  async "cut off"() {
    const node = pick(nodes);
    for (const other of rest(node)) {
      network.cut(node.host, other.host);
      network.cut(other.host, node.host);
    }
    const out = await detected("cut off", rest(node), node.name);
    await pause(dice(4000));
    network.heal();
    return `${node.name}, out after ${out} ms`;
  },
  async "one link cut"() {
    const node = pick(nodes);
    const other = pick(rest(node));
    network.cut(node.host, other.host);
    network.cut(other.host, node.host);
    // What the alert MadangLinksMissing looks at: both are up, by the third's word, and have no link.
    for (const each of [node, other])
      if (!await until(15_000, async () => await each.figure("madang_cluster_links") < await each.figure("madang_cluster_nodes_up") - 1))
        fail(`one link cut: ${each.name} does not say that a link is missing`);
    await pause(dice(6000));
    network.heal();
    return `${node.name}-${other.name}`;
  },
  async "one way cut"() {
    const node = pick(nodes);
    const other = pick(rest(node));
    network.cut(node.host, other.host);
    await pause(2000 + dice(6000));
    network.heal();
    return `${node.name} to ${other.name}`;
  },
  async "slow link"() {
    const node = pick(nodes);
    const kbit = 200 + dice(2000);
    network.slow(node.host, kbit);
    await pause(3000 + dice(5000));
    network.heal();
    return `${node.name} at ${kbit} kbit/s`;
  },
  // All processors are busy with something else: nobody is taken for dead.
  async "busy machine"() {
    const numbers = async () => (await Promise.all(nodes.map((each) => each.sees(5000)))).map(({ view }) => view).join(" ");
    const before = await numbers();
    const others = Array.from({ length: 2 * cpus().length }, () => spawn("sh", ["-c", "while :; do :; done"]));
    const stop = () => others.forEach((each) => each.kill("SIGKILL"));
    process.once("exit", stop);
    await pause(short ? 5000 : 20_000 + dice(20_000));
    stop();
    process.off("exit", stop);
    const now = await numbers();
    if (now !== before) fail(`busy machine: the views were ${before} and are ${now}`);
    return `views ${now}`;
  },
  async "rolling restart"() {
    for (const node of nodes) {
      const code = await node.signal("SIGTERM");
      if (code !== 0) fail(`rolling restart: ${node.name} ended with ${code}`);
      await node.start();
      if ((await until_seen(nodes, all_up, 15_000)) === null) fail(`rolling restart: ${node.name} did not come back`);
    }
    return "each in turn";
  },
};

async function one_fault(number) {
  const names = process.argv.length > 4 ? process.argv.slice(4) : Object.keys(faults);
  const kind = short ? names[(number + seed) % names.length] : pick(names); // short: one after the other
  const before = { recovered: total("recovered"), anew: total("anew") };
  const what = await faults[kind]();
  const over = Date.now();
  const back = await until_seen(nodes, all_up, 20_000);
  if (back === null || back > most.back) fail(`fault ${number}, ${kind}: routes were back after ${back ?? "more than 20000"} ms`);
  if (!(await until_settled(most.presence - (Date.now() - over))))
    fail(`fault ${number}, ${kind}: ${members.filter((each) => !each.settled).length} members are not back`);
  await pause(Math.max(0, most.presence - 1000 - (Date.now() - over)));
  let wrong = await wrong_presence();
  while (wrong && Date.now() - over < most.presence) wrong = await wrong_presence();
  if (wrong) fail(`fault ${number}, ${kind}: ${wrong}`);
  console.log(`fault ${number}: ${kind} (${what}); back after ${back} ms; recovered ${total("recovered") - before.recovered}, ` +
              `begun anew ${total("anew") - before.anew}`);
}
const total = (what) => members.reduce((sum, each) => sum + each.told[what], 0);

// ------------------------------------------------------------------------------------------- the run

try {
  for (const node of nodes) await node.start();
  if ((await until_seen(nodes, all_up, 20_000)) === null) throw new Error("the cluster did not come together");
  for (const [i, node] of nodes.entries())
    for (let number = 0; number < plan.members; number += 1) {
      const mine = [groups[(number + i) % groups.length], groups[(number * 7 + i + 1) % groups.length]];
      members.push(new Member(`${node.name}${number}`, ledger, [...new Set(mine)],
                              () => (node.alive ? [node.users] : rest(node).filter((each) => each.alive).map((each) => each.users))));
    }
  if (!(await until_settled(20_000))) throw new Error("the members did not come in");
  const publishers = nodes.flatMap((node) => [publish_for_ever(node, 0), publish_for_ever(node, 1)]);
  publishers.push(jobs.enqueue_for_ever(nodes, short ? 5 : 10, () => publishing));
  await pause(2000);
  const end = Date.now() + plan.minutes * 60_000;
  for (let number = 1; number <= plan.faults && (short || Date.now() < end); number += 1) await one_fault(number);
  publishing = false;
  await Promise.all(publishers);
  await pause(2000);
  if (!(await until_settled(10_000))) fail("at the end not all members are there");
  for (const group of groups) {
    const places = new Map(); // position -> who is there
    for (const { name, at, groups } of members.filter((each) => each.groups.has(group))) {
      const place = `${groups.get(group).epoch} ${groups.get(group).offset}`;
      places.set(place, [...(places.get(place) ?? []), `${name}@${nodes.find((each) => each.users === at)?.name}`]);
    }
    if (places.size > 1)
      fail(`at the end members of ${group} are at ${[...places].map(([place, who]) => `${place} (${who.slice(0, 5).join(" ")})`).join(", ")}`);
  }
  if (ledger.count === 0 || sent.accepted === 0) fail("nothing was published");
  console.log(await jobs.check(nodes));
} catch (error) {
  fail(error.stack);
}
for (const each of members) each.stop();
for (const node of nodes) node.signal("SIGKILL");
console.log(`published ${sent.accepted}, refused ${sent.refused}, unknown ${sent.unknown}; seen ${ledger.count}; connects ${total("connects")}, ` +
            `recovered ${total("recovered")}, begun anew ${total("anew")}`);
const bad = failures.length + ledger.wrong.length;
console.log(bad === 0 ? "all is well" : `${bad} things are wrong; seed ${seed}; the nodes' logs are in ${folder}`);
if (bad === 0) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
process.exit(bad === 0 ? 0 : 1);
