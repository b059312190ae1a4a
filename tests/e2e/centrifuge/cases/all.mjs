import asking from "./asking.mjs";
import connect from "./connect.mjs";
import history from "./history.mjs";
import loss from "./loss.mjs";
import plugin from "./plugin.mjs";
import server_side from "./server_side.mjs";
import subscribe from "./subscribe.mjs";

export const cases = { connect, subscribe, history, server_side, asking, plugin, loss };
export const all = Object.entries(cases).flatMap(([part, of]) => Object.entries(of).map(([claim, body]) => ({ claim: `${part}: ${claim}`, body })));
