// Over TLS: echoes through wss and prints the fingerprint of the certificate served.
import assert from 'node:assert';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import tls from 'node:tls';

import {WebSocket} from './ws.mjs';

const [port, ...files] = process.argv.slice(2);
const ca = files.map(file => readFileSync(file));
const client = new WebSocket(`wss://localhost:${port}/ws/echo/`, {ca, origin: `https://localhost:${port}`});
await once(client, 'open');
for (const text of ['마당', 'x'.repeat(300000)]) {
    client.send(text);
    const [got] = await once(client, 'message');
    assert.equal(got.toString(), text);
}
client.close(1000);
const [code] = await once(client, 'close');
assert.equal(code, 1000);

const socket = tls.connect({port: Number(port), host: '127.0.0.1', servername: 'localhost', ca});
await once(socket, 'secureConnect');
console.log(socket.getPeerCertificate().subject.O);
socket.destroy();
