import { run_in_node } from "./in_node.mjs";

run_in_node("websocket");
