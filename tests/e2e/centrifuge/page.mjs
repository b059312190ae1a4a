// Runs cases in a page; chromium.test.mjs says which. The host is asked through window.ask_host.
import { all } from "./cases/all.mjs";
import { World, run_case } from "./world.mjs";

window.claims = all.map((each) => each.claim);
window.run_one = async (claim, transport, run) => {
  const world = new World({ Centrifuge: window.Centrifuge, transport, run, host: (what, ...of) => window.ask_host(what, ...of) });
  try {
    await run_case(world, claim, all.find((each) => each.claim === claim).body);
    return null;
  } catch (error) {
    return `${error.message ?? JSON.stringify(error)}\n${error.stack ?? ""}`;
  }
};
window.ready = true;
