// Traces, as a receiver of OTLP gets them: one tree over two nodes, from a click to what another node's client is told; what a
// connection's messages belong to; the backend; and a receiver that is away.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { Client } from "./support/client.mjs";
import { ask, eventually, keeps, metric, start_nodes } from "./support/cluster.mjs";
import { free_port } from "./support/free_port.mjs";
import { Server } from "./support/server.mjs";
import { Receiver } from "./support/traces.mjs";

const kind = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
const options_of = (receiver, one_in = 0) =>
  ["--trace-endpoint", receiver.url, "--trace-interval", "50ms", "--trace-one-in", String(one_in), "--workers", "1"];

function new_trace(flags = "01") {
  const trace = randomBytes(16).toString("hex");
  const span = randomBytes(8).toString("hex");
  return { trace, span, traceparent: `00-${trace}-${span}-${flags}` };
}

async function order(server, visitor, traceparent, title) {
  const answer = await fetch(`${server.url}/api/reports/`, {
    method: "POST", body: JSON.stringify({ title, pages: 1 }), headers: { cookie: `madang_visitor=${visitor}`, traceparent, "x-request-id": title },
  });
  assert.equal(answer.status, 202, await answer.text());
}

// A client of that visitor, once what is published to it arrives from `other`.
async function listening(server, other, visitor) {
  const client = await Client.connect(server, "/ws/notify/", { headers: { cookie: `madang_visitor=${visitor}` } });
  await eventually("a publication arrives", async () => {
    await ask(other, "/api/publish", { method: "POST", body: JSON.stringify({ channel: `user:visitor-${visitor}`, data: { probe: true } }) });
    return client.arrived.length > 0;
  });
  return client;
}

async function pdf_of(client, title) {
  for (;;) {
    const news = await client.receive_json();
    if (news.event === "pdf_ready" && news.title === title) return;
  }
}

describe("traces", () => {
  test("are one tree from a click to its delivery on another node", async (t) => {
    const receiver = await Receiver.start(t);
    const nodes = await start_nodes(t, "", ["a", "b"], () => options_of(receiver));
    const [a, b] = nodes;
    for (const each of nodes) await keeps(each, "a", 1);
    // Clicked at b, which does not keep the jobs; told to a client of each node in turn.
    for (const [at, other] of [[b, a], [a, b]]) {
      const visitor = randomBytes(16).toString("hex");
      const client = await listening(other, at, visitor);
      const { trace, span, traceparent } = new_trace();
      const title = `report-${at === a ? "a" : "b"}`;
      await order(at, visitor, traceparent, title);
      await pdf_of(client, title);
      const here = at === a ? "a" : "b", there = other === a ? "a" : "b";
      const click = await receiver.child(trace, span, "POST");
      assert.equal(click.kind, kind.server);
      assert.equal(click.node, here);
      assert.equal(click.attributes["url.path"], "/api/reports/");
      assert.equal(click.attributes["http.response.status_code"], 202);
      const view = await receiver.child(trace, click, "view /api/reports/");
      assert.equal(view.kind, kind.internal);
      assert.equal(view.attributes["madang.plugin"], "report");
      const job = await receiver.child(trace, view, "enqueue");
      assert.equal(job.kind, kind.producer);
      assert.equal(job.node, here);
      const child = await receiver.child(trace, job, "run reports.build");
      assert.equal(child.kind, kind.consumer);
      assert.equal(child.node, "a", "who keeps the jobs tells of them");
      assert.equal(child.attributes["madang.job.id"], job.attributes["madang.job.id"]);
      assert.ok(BigInt(child.startTimeUnixNano) <= BigInt(child.endTimeUnixNano));
      const publication = await receiver.child(trace, child, "publish");
      assert.equal(publication.kind, kind.producer);
      assert.equal(publication.attributes["messaging.destination.name"], `user:visitor-${visitor}`);
      const delivery = await receiver.child(trace, publication, "deliver");
      assert.equal(delivery.kind, kind.consumer);
      assert.equal(delivery.node, there);
      assert.equal(delivery.attributes["madang.members"], 1);
      const all = receiver.of(trace);
      assert.equal(new Set(all.map((each) => each.spanId)).size, all.length, receiver.drawn(trace));
      assert.equal(all.length, 6, receiver.drawn(trace));
      for (const each of all) assert.ok(each.attributes["madang.request_id"] === title, receiver.drawn(trace));
      const known = await (await ask(a, `/api/jobs/${job.attributes["madang.job.id"]}`)).json();
      assert.equal(known.trace_id, trace);
      assert.equal(known.correlation_id, title);
      await client.close();
    }
    assert.deepEqual(receiver.refused, []);
  });

  test("are none of what is not sampled, or did not ask", async (t) => {
    const receiver = await Receiver.start(t);
    const server = await Server.start({ options: options_of(receiver) });
    t.after(() => server.stop());
    const unsampled = new_trace("00"), sampled = new_trace();
    for (const headers of [{}, { traceparent: unsampled.traceparent }, { traceparent: "no such thing" }])
      assert.equal((await fetch(`${server.url}/api/reports/x/`, { headers })).status, 404);
    await fetch(`${server.url}/nowhere`, { headers: { traceparent: sampled.traceparent } });
    await receiver.child(sampled.trace, sampled.span, "GET", (span) => span.attributes["http.response.status_code"] === 404);
    assert.equal(receiver.spans.length, 1, JSON.stringify(receiver.spans));
  });

  test("begin with one request in so many", async (t) => {
    const receiver = await Receiver.start(t);
    const server = await Server.start({ options: [...options_of(receiver, 3), "--loops", "1"] });
    t.after(() => server.stop());
    for (let i = 0; i < 9; ++i) await fetch(`${server.url}/nowhere`);
    await eventually("three of nine", async () => receiver.spans.length >= 3);
    assert.equal(await server.kill("SIGTERM"), 0, server.output); // what waited is sent
    assert.equal(receiver.spans.length, 3);
    assert.equal(new Set(receiver.spans.map((span) => span.traceId)).size, 3);
    assert.ok(receiver.spans.every((span) => span.parentSpanId === undefined));
  });

  test("go with a connection's messages to whom they reach", async (t) => {
    const receiver = await Receiver.start(t);
    const server = await Server.start({ options: options_of(receiver) });
    t.after(() => server.stop());
    const { trace, span, traceparent } = new_trace();
    const one = await Client.connect(server, "/ws/chat/lobby/", { headers: { traceparent } });
    const other = await Client.connect(server, "/ws/chat/lobby/");
    await eventually("a line arrives", async () => {
      one.send({ message: "hello" });
      return other.arrived.some((line) => line.includes("hello"));
    });
    const handshake = await receiver.child(trace, span, "GET");
    assert.equal(handshake.attributes["http.response.status_code"], 101);
    const message = await receiver.child(trace, handshake, "message");
    assert.equal(message.kind, kind.consumer);
    assert.equal(message.attributes["madang.consumer"], "chat/ChatConsumer");
    const sent = await receiver.child(trace, message, "publish");
    await receiver.child(trace, sent, "deliver", (each) => each.attributes["madang.members"] >= 1);
    assert.ok(receiver.spans.every((each) => each.traceId === trace), "the other's connection is not traced");
  });

  test("go on at the backend", async (t) => {
    const receiver = await Receiver.start(t);
    const asked = [];
    const backend = createServer((request, response) => {
      asked.push(request.headers.traceparent);
      request.resume().on("end", () => response.writeHead(200, { "content-type": "application/json" }).end('{"result":{"data":{"good":true}}}'));
    }).listen(0, "127.0.0.1");
    await once(backend, "listening");
    t.after(() => { backend.closeAllConnections(); backend.close(); });
    const server = await Server.start({
      options: [...options_of(receiver), "--client-anonymous", "--proxy-rpc", `http://127.0.0.1:${backend.address().port}/rpc?secret=1`],
    });
    t.after(() => server.stop());
    const { trace, span, traceparent } = new_trace();
    const client = await Client.connect(server, "/connection/websocket", { headers: { traceparent } });
    client.send({ id: 1, connect: {} });
    assert.ok((await client.receive_json()).connect);
    client.send({ id: 2, rpc: { method: "what", data: {} } });
    assert.deepEqual((await client.receive_json()).rpc, { data: { good: true } });
    const handshake = await receiver.child(trace, span, "GET");
    const rpc = await eventually("the call's span", async () => receiver.of(trace).find((each) => each.name === "rpc"));
    assert.equal(rpc.attributes["rpc.method"], "what");
    await receiver.child(trace, handshake, "message", (each) => each.spanId === rpc.parentSpanId);
    const request = await receiver.child(trace, rpc, "POST");
    assert.equal(request.kind, kind.client);
    assert.match(request.attributes["url.full"], /\/rpc$/);
    assert.deepEqual(asked, [`00-${trace}-${request.spanId}-01`]);
  });

  test("are dropped and counted while the receiver is away, and the server goes on", async (t) => {
    const server = await Server.start({
      options: ["--trace-endpoint", `http://127.0.0.1:${await free_port()}/v1/traces`, "--trace-one-in", "1", "--trace-queue", "20", "--trace-interval", "10ms"],
    });
    t.after(() => server.stop());
    for (let i = 0; i < 60; ++i) assert.equal((await fetch(`${server.url}/nowhere`)).status, 404);
    assert.equal(await metric(server, "madang_trace_spans_waiting"), 20);
    assert.equal(await metric(server, 'madang_trace_spans_total{outcome="dropped"}'), 40);
    assert.equal(await metric(server, 'madang_trace_spans_total{outcome="exported"}'), 0);
    await eventually("the log says so", async () => server.output.includes("trace.not_exported"));
    assert.equal(await server.kill("SIGTERM"), 0, server.output);
  });
});
