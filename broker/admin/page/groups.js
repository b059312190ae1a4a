import { Refused, call } from "./api.js";
import { facts, json, make, number, search_field, short, table, time } from "./dom.js";

const most = 200; // rows of one view

export const groups = {
  title: () => "Groups",
  tools: ({ q = "" }, go) => [search_field("filter", "Groups whose name has", "name has…", q, (value) => go({ q: value }))],
  async show({ query }) {
    const { channels, more } = await call("channels", { limit: most, ...(query.q && { pattern: `*${query.q.replace(/[\\*?[\]{}]/g, "\\$&")}*` }) });
    const all = Object.entries(channels).map(([name, { num_clients }]) => ({ name, num_clients }))
      .sort((a, b) => b.num_clients - a.num_clients || a.name.localeCompare(b.name));
    return [
      table("Groups", [
        ["Group", (one) => make("a", { href: `#/groups/${encodeURIComponent(one.name)}` }, one.name)],
        ["Members", (one) => number(one.num_clients), "number"],
      ], all, "No group has members now."),
      more && make("p", { class: "soft" }, `The ${most} largest are shown.`),
    ];
  },
};

const info_of = ({ conn_info, chan_info }) => [conn_info, chan_info].filter((info) => info !== undefined).map((info) => short(info)).join(" ");

// "History is off for that namespace" is an answer, too.
const or_why = (asked) => asked.catch((error) => {
  if (error instanceof Refused && error.status === 200) return { why: error.message };
  throw error;
});

export const group = {
  title: (name) => name ?? "Group",
  async show({ one }) {
    const [there, kept] = await Promise.all([
      or_why(call("presence", { channel: one, limit: most })),
      or_why(call("history", { channel: one, limit: 20, reverse: true })),
    ]);
    const members = Object.values(there.presence ?? {}).sort((a, b) => (a.since ?? 0) - (b.since ?? 0));
    return [
      make("p", {}, make("a", { href: "#/groups" }, "All groups")),
      make("section", {}, make("h2", {}, "Present"),
        there.why ? make("p", { class: "soft" }, there.why) : table("Present", [
          ["User", (member) => member.user || make("span", { class: "soft" }, "nobody known")],
          ["Connection", (member) => make("code", {}, member.client)],
          ["Since", (member) => time(member.since)],
          ["Info", (member) => info_of(member)],
        ], members, "Nobody is present."),
        there.more && make("p", { class: "soft" }, `The first ${most} are shown.`)),
      make("section", {}, make("h2", {}, "Recent publications"),
        kept.why ? make("p", { class: "soft" }, kept.why) : [
          facts([["Position", make("code", {}, `${kept.epoch}:${kept.offset}`)]]),
          table("Recent publications", [
            ["Offset", (each) => number(each.offset), "narrow"],
            ["Time", (each) => time(each.time), "narrow"],
            ["Data", (each) => make("details", {}, make("summary", {}, short(each.data, 90)), json(each.data))],
          ], kept.publications, "None is kept.")]),
    ];
  },
};
