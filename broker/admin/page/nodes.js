import { call, get } from "./api.js";
import { duration, facts, make, number, state, table } from "./dom.js";

export const nodes = {
  title: () => "Nodes",
  async show({ cluster }) {
    const [{ nodes: all }, seen] = await Promise.all([call("info"), cluster ? get("cluster") : null]);
    const sum = (name) => number(all.reduce((total, node) => total + node[name], 0));
    return [
      facts([["Clients", sum("num_clients")], ["Users", sum("num_users")], ["Subscriptions", sum("num_subs")], ["Groups", sum("num_channels")]]),
      table("Nodes", [
        ["Node", (node) => node.name],
        ["Version", (node) => node.version],
        ["Clients", (node) => number(node.num_clients), "number"],
        ["Users", (node) => number(node.num_users), "number"],
        ["Subscriptions", (node) => number(node.num_subs), "number"],
        ["Groups", (node) => number(node.num_channels), "number"],
        ["Up for", (node) => duration(node.uptime * 1000), "number"],
      ], all, "No node answered."),
      seen ? cluster_view(seen) : make("p", { class: "soft" }, "This server is in no cluster."),
    ];
  },
};

function cluster_view(seen) {
  return make("section", {},
    make("h2", {}, "Cluster, as this node sees it"),
    facts([["This node", [seen.node, " ", state(seen.state)]], ["View", String(seen.view)], ["Quorum", seen.quorum ? "yes" : "no"], ["Jobs are kept by", seen.jobs?.home ?? "nobody"]]),
    table("Other nodes", [
      ["Node", (each) => each.node],
      ["State", (each) => state(each.state)],
      ["Address", (each) => each.address ?? ""],
      ["Heard", (each) => (each.heard ? "yes" : `silent for ${duration(each.silent_ms ?? 0)}`)],
    ], seen.nodes, "It sees no other node."));
}
