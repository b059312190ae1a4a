// A room of members that take permessage-deflate: what they send and get is as it was written. Prints the bytes broadcast.
import assert from 'node:assert';
import {once} from 'node:events';

import {WebSocket} from './ws.mjs';

const base = `ws://127.0.0.1:${process.argv[2]}`;
const options = {perMessageDeflate: {threshold: 0}, origin: base.replace('ws', 'http')};

const echo = new WebSocket(`${base}/ws/echo/`, options);
await once(echo, 'open');
assert.match(echo.extensions, /permessage-deflate/);
for (const text of ['마당 '.repeat(5000), '', 'a']) {
    echo.send(text);
    const [got, binary] = await once(echo, 'message');
    assert.equal(got.toString(), text);
    assert.equal(binary, false);
}
const bytes = Buffer.alloc(70000, 7);
echo.send(bytes);
const [back, binary] = await once(echo, 'message');
assert.ok(binary && back.equals(bytes));
echo.close();
await once(echo, 'close');

// Each member waits for as many messages as were sent.
const rounds = 100;
const text = 'a yard where people gather '.repeat(30);
const members = [];
for (let i = 0; i < 20; ++i) {
    const member = new WebSocket(`${base}/ws/chat/deflate/`, options);
    member.got = 0;
    member.done = new Promise((resolve, reject) => {
        member.on('message', data => {
            const {message, error} = JSON.parse(data.toString());
            if (error) reject(new Error(error));
            if (message === undefined) return;
            if (message !== text) reject(new Error('another text came'));
            if (++member.got === rounds) resolve();
        });
        member.on('error', reject);
        member.on('close', () => reject(new Error('closed')));
    });
    member.done.catch(() => {});
    await once(member, 'open');
    members.push(member);
}
for (let i = 0; i < rounds; ++i) members[0].send(JSON.stringify({message: text}));
await Promise.all(members.map(member => member.done));
for (const member of members) member.terminate();
console.log(rounds * text.length);
