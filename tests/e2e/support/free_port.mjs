// A port of the loopback that nobody has now; somebody may take it before it is used.
import { once } from "node:events";
import { createServer } from "node:net";

export async function free_port() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
