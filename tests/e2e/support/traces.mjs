// A small OTLP/HTTP receiver: it keeps the spans that servers send it, and says what hangs from what.
import { once } from "node:events";
import { createServer } from "node:http";
import { eventually } from "./cluster.mjs";

const text_of = ({ stringValue, intValue }) => stringValue ?? Number(intValue);
const object_of = (attributes = []) => Object.fromEntries(attributes.map(({ key, value }) => [key, text_of(value)]));

export class Receiver {
  spans = [];
  refused = [];

  static async start(t) {
    const receiver = new Receiver();
    receiver.server = createServer(async (request, response) => {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      if (request.method !== "POST" || request.url !== "/v1/traces" || request.headers["content-type"] !== "application/json")
        receiver.refused.push(`${request.method} ${request.url} ${request.headers["content-type"]}`);
      for (const { resource, scopeSpans } of JSON.parse(Buffer.concat(pieces)).resourceSpans)
        for (const { spans } of scopeSpans)
          for (const span of spans)
            receiver.spans.push({ ...span, attributes: object_of(span.attributes), node: object_of(resource.attributes)["service.instance.id"] });
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    }).listen(0, "127.0.0.1");
    await once(receiver.server, "listening");
    t.after(() => { receiver.server.closeAllConnections(); receiver.server.close(); });
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}/v1/traces`;
    return receiver;
  }

  of(trace) {
    return this.spans.filter((span) => span.traceId === trace);
  }

  // The span that looks like `wanted`, a child of `parent` (a span, or a span's id), once it is there.
  child(trace, parent, name, wanted = () => true) {
    const id = parent.spanId ?? parent;
    return eventually(`the span "${name}" below ${parent.name ?? id}`, async () => {
      const found = this.of(trace).find((span) => span.parentSpanId === id && span.name === name && wanted(span));
      if (!found) throw new Error(this.drawn(trace));
      return found;
    });
  }

  drawn(trace) {
    const all = this.of(trace);
    const below = (id, indent) =>
      all.filter((span) => (span.parentSpanId ?? "") === id).map((span) =>
        `\n${indent}${span.name} (${span.node}) ${span.spanId} ${JSON.stringify(span.attributes)}${below(span.spanId, `${indent}  `)}`).join("");
    const roots = new Set(all.map((span) => span.parentSpanId ?? "").filter((id) => !all.some((span) => span.spanId === id)));
    return [...roots].map((id) => `${id || "none"}:${below(id, "  ")}`).join("\n") || "no spans";
  }
}
