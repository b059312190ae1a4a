// Hosts on one machine: each node of a cluster in a network namespace of its own, and between them, in this process's own, a
// router that can lose what it is told to lose. Nothing outlives this process, however it ends: a namespace goes with the last
// process in it, and those end with this one.
//
//   node i:   cluster 10.1.i.2, users 10.2.i.2        this process: 10.1.i.1, 10.2.i.1
//
// What is cut vanishes without a word on the router (a blackhole rule for what comes from one and goes to the other), as it does
// behind a dead switch: nobody is refused, nobody sees an error but silence.
import { spawn, spawnSync, execFileSync } from "node:child_process";
import { once } from "node:events";
import { readlinkSync, writeFileSync } from "node:fs";

const inside = "MADANG_CLUSTER_NAMESPACE";
const not_here = 77; // the exit code that says so

// Goes on only in a network namespace of this program's own; where there is none to be had, says so and ends.
export function enter_namespace() {
  if (process.env[inside] === readlinkSync("/proc/self/ns/net")) return;
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  for (const how of [["--net"], ["--user", "--map-root-user", "--net"]]) {
    if (spawnSync("unshare", [...how, "true"]).status !== 0) continue;
    const child = spawn("unshare", [...how, "--fork", "--kill-child", "sh", "-c",
                                    `${inside}=$(readlink /proc/self/ns/net) exec "$@"`, "sh", ...again], { stdio: "inherit" });
    const forward = (signal) => process.on(signal, () => child.kill(signal));
    forward("SIGINT");
    forward("SIGTERM");
    return once(child, "exit").then(([code, signal]) => process.exit(signal ? 1 : code));
  }
  console.error("skipped: no network namespace can be made here (it takes root, or user namespaces)");
  process.exit(not_here);
}

const ip = (...words) => execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });
const holders = new Set();
process.on("exit", () => {
  for (const each of holders) each.kill("SIGKILL");
});

export class Network {
  constructor() {
    ip("link", "set", "lo", "up");
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    this.cuts = new Set();
    this.slowed = new Set();
  }

  // A host; at its end of both links it has a route back.
  async add(number) {
    const holder = spawn("unshare", ["--net", "sh", "-c", "echo; exec sleep infinity"], { stdio: ["ignore", "pipe", "inherit"] });
    holders.add(holder);
    await once(holder.stdout, "data");
    for (const [kind, net] of [["cluster", 1], ["users", 2]]) {
      const [ours, theirs] = [`${kind}${number}`, kind];
      ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", String(holder.pid));
      ip("addr", "add", `10.${net}.${number}.1/24`, "dev", ours);
      ip("link", "set", ours, "up");
      for (const words of [["addr", "add", `10.${net}.${number}.2/24`, "dev", theirs], ["link", "set", theirs, "up"]])
        this.#at(holder, "ip", ...words);
    }
    this.#at(holder, "ip", "link", "set", "lo", "up");
    this.#at(holder, "ip", "route", "add", "10.1.0.0/16", "via", `10.1.${number}.1`);
    return { number, namespace: `/proc/${holder.pid}/ns/net`, cluster: `10.1.${number}.2`, users: `10.2.${number}.2` };
  }

  #at(holder, ...command) {
    execFileSync("nsenter", [`--net=/proc/${holder.pid}/ns/net`, ...command], { stdio: ["ignore", "ignore", "inherit"] });
  }

  // What `from` sends to `to` is lost from now on; the other way it still comes.
  cut(from, to) {
    const way = `${from.number} ${to.number}`;
    if (this.cuts.has(way)) return;
    ip("rule", "add", "iif", `cluster${from.number}`, "to", to.cluster, "blackhole");
    this.cuts.add(way);
  }

  // What comes to that host over the cluster's links goes at that rate, and waits or is lost beyond it.
  slow(host, kbit) {
    execFileSync("tc", ["qdisc", "replace", "dev", `cluster${host.number}`, "root", "tbf", "rate", `${kbit}kbit`, "burst", "16kb",
                        "latency", "500ms"]);
    this.slowed.add(host.number);
  }

  heal() {
    for (const way of this.cuts) {
      const [from, to] = way.split(" ");
      ip("rule", "del", "iif", `cluster${from}`, "to", `10.1.${to}.2`, "blackhole");
    }
    for (const number of this.slowed) execFileSync("tc", ["qdisc", "del", "dev", `cluster${number}`, "root"]);
    this.cuts.clear();
    this.slowed.clear();
  }
}
