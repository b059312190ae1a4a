// What a plugin of the server answers: the bundled chat's calls.
import { eventually, refused, same } from "../kit.mjs";

const chatting = (w) => w.server("chatting");

export default {
  "a plugin's handler answers calls, and what it publishes comes": async (w) => {
    const room = w.name("room");
    const { client, id } = await w.connect({ server: await chatting(w) });
    const { ear } = await w.subscribe(client, `room:${room}`);
    same(await client.rpc("chat.say", { room, message: "안녕, 마당!" }), { data: {} });
    const { data, info, offset } = await ear.next("publication");
    same([data, info.client, offset], [{ message: "안녕, 마당!" }, id, 1]);
    const { data: who } = await eventually(() => client.rpc("chat.who", { room }), (got) => got.data.here.length === 1, "who is there");
    same([who.here[0].client, who.you], [id, id]);
  },

  "a plugin's refusal has its code and sentence, and an unknown method is 104": async (w) => {
    const { client } = await w.connect({ server: await chatting(w) });
    const error = await refused(client.rpc("chat.say", { room: w.name("room"), message: "" }), 400);
    same(error.message, "the message is empty");
    await refused(client.rpc("chat.fly", {}), 104);
  },

  "calls of plugins in a batch are answered each by itself": async (w) => {
    const room = w.name("room");
    const { client } = await w.connect({ server: await chatting(w) });
    client.startBatching();
    const answers = [client.rpc("chat.typing", { room }), client.rpc("chat.say", { room, message: "x" }), client.rpc("nobody", {})];
    client.stopBatching();
    same((await Promise.all(answers.map((each) => each.then(({ data }) => data, ({ code }) => code)))), [{}, {}, 104]);
  },
};
