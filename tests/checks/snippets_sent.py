"""What a page shows of a protocol, sent to a server: for a block, by its page, language and first line, who sends it."""
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading
import time

SECRET = "a-secret-that-is-long-enough-for-it"


def alike(shown, said, learn, where="it"):
    """What differs between two JSON documents in the names of members; texts that differ are learnt."""
    if isinstance(shown, dict) and isinstance(said, dict):
        if shown.keys() != said.keys():
            yield f"{where} has {sorted(said)} instead of {sorted(shown)}"
        for name in shown.keys() & said.keys():
            yield from alike(shown[name], said[name], learn, f"{where}.{name}")
    elif isinstance(shown, list) and isinstance(said, list):
        if len(shown) != len(said):
            yield f"{where} has {len(said)} elements instead of {len(shown)}"
        for at, pair in enumerate(zip(shown, said)):
            yield from alike(*pair, learn, f"{where}[{at}]")
    elif type(shown) is not type(said):
        yield f"{where} is {said!r} instead of {shown!r}"
    elif isinstance(shown, str):
        learn[shown] = said


def signed(claims):
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    text = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.new(SECRET.encode(), text, hashlib.sha256).digest())).decode()


def serve(page):
    """A server that knows the secret, once per page."""
    if not page.servers:
        (page.folder() / "sent.toml").write_text(f'jwt_hmac_secret = "{SECRET}"\napi_keys = ["test:all:of-the-test"]\n[namespace.""]\nallow_subscribe = "everyone"\n'
                                                 'history_size = 10\nhistory_ttl = "1h"\nrecovery = true\n'
                                                 '[namespace.news]\n[namespace.chat]\nallow_subscribe = "everyone"\n[namespace.private]\nhistory_size = 10\nhistory_ttl = "1h"\n')
        page.tell("madang serve --config sent.toml &", [])


def ask(page, method, path, body=None, headers={}):
    link = http.client.HTTPConnection(page.addresses["127.0.0.1:8000"], timeout=60)
    link.request(method, path, body if body is None else json.dumps(body) if isinstance(body, dict) else "\n".join(map(json.dumps, body)), headers)
    return link.getresponse()


def reply(stream):
    """The next line that is no ping."""
    while True:
        line = json.loads(stream.readline())
        if line:
            return line


def expect(good, page, what):
    if not good:
        sys.exit(f"{page.name}: {what}")


def connection_token(page, text):
    serve(page)
    claims = json.loads(text) | {"exp": int(time.time()) + 3600}
    answer = reply(ask(page, "POST", "/connection/http_stream", {"id": 1, "connect": {"token": signed(claims)}}))
    expect(list(answer.get("connect", {}).get("subs", {})) == claims["channels"], page, f"the token is answered with {answer}")


def subscription_token(page, text):
    serve(page)
    claims = json.loads(text) | {"exp": int(time.time()) + 3600}
    stream = ask(page, "POST", "/connection/http_stream",
                 [{"id": 1, "connect": {"token": signed({"sub": claims["sub"]})}},
                  {"id": 2, "subscribe": {"channel": claims["channel"], "token": signed(claims)}}])
    answers = [reply(stream), reply(stream)]
    expect("subscribe" in answers[1], page, f"the token is answered with {answers}")


def emulation(page, text):
    serve(page)
    line, body = text.splitlines()
    stream = ask(page, "POST", "/connection/http_stream", {"id": 1, "connect": {}})
    connected = reply(stream)["connect"]
    shown = json.loads(body)
    status = ask(page, *line.split(), shown | {name: connected[name] for name in ("session", "node")}).status
    answer = reply(stream)
    expect(status == 204 and answer["id"] == json.loads(shown["data"])["id"] and "subscribe" in answer, page, f"{status}, {answer}")


def poll(page, text):
    """Of a group with a publication since then, and of one without history."""
    serve(page)
    stream = ask(page, "POST", "/connection/http_stream",
                 [{"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": "news"}}])
    reply(stream)
    before = reply(stream)["subscribe"]
    page.tell("""madang pub news '{"text":"hello"}' --api-key of-the-test""", [])
    path = text.split()[1].replace("dXq1:41", f"{before['epoch']}:{before.get('offset', 0)}").replace("&token=…", "&token=" + signed({"sub": "42"}))
    page.polled = json.loads(ask(page, "GET", path).read())


def polled(page, text):
    wrong = list(alike(json.loads(text), page.polled, {}))
    expect(not wrong, page, f"a poll is answered with {page.polled}: {wrong}")


E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"  # has the packages that the pages' scripts are for
IN_BROWSER = """
import {Centrifuge} from "centrifuge";
import {EventSource} from "eventsource";
import WebSocket from "ws";
Object.assign(globalThis, {Centrifuge, EventSource, WebSocket});
"""


def script(page, text, before, after):
    """A page's script, which prints something and ends by itself, with a publication to `news` now and then."""
    serve(page)
    text = page.here(re.sub(r"(['`])(?:(https|wss)://example\.com)?/", lambda at: f"{at[1]}{'ws' if at[2] == 'wss' else 'http'}://127.0.0.1:8000/", text))
    node = subprocess.Popen(["node", "--input-type=module", "--eval", IN_BROWSER + before + text + after], cwd=E2E,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        end = time.monotonic() + 60
        while node.poll() is None and time.monotonic() < end:
            page.tell("""madang pub news '{"text":"hello"}' --api-key of-the-test""", [])
            time.sleep(0.2)
        said = node.communicate(timeout=1)[0] if node.poll() is not None else "nothing in 60 s"
        expect(node.poll() == 0 and said, page, f"the script says {said}:\n{text}")
    finally:
        node.kill()
        node.wait()


def centrifuge(page, text):
    script(page, text, "", "client.on('connected', (to) => { console.log(to); process.exit(); }); client.connect();")


def event_source(page, text):
    script(page, text, f"const token = '{signed({'sub': '42', 'channels': ['news']})}';",
           "let heard = 0; events.addEventListener('message', () => { if (++heard === 3) process.exit(); });")


def poll_loop(page, text):
    script(page, text, "const reload = () => {}; let shown = 0; const show = (each) => { console.log(each); if (++shown === 3) process.exit(); };", "")


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers with `word`, and keeps what it was asked."""
    word, asked = "{}", None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Backend.asked = (self.command, self.headers, json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(Backend.word)))
        self.end_headers()
        self.wfile.write(Backend.word.encode())

    def log_message(self, *_):
        pass


def connected_by_backend(page, word):
    """How a client's connect is answered when the backend says `word`."""
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    try:
        Backend.word = word
        page.tell(f"madang serve --no-worker-process --data-dir none --proxy-connect http://127.0.0.1:{backend.server_port}/centrifugo/connect"
                  " --proxy-header cookie &", [])
        stream = ask(page, "POST", "/connection/http_stream", {"id": 1, "connect": {"data": {}}}, {"Cookie": "sessionid=of-the-test"})
        return reply(stream)
    finally:
        backend.shutdown()
        backend.server_close()


def asked(page, text):
    connected_by_backend(page, "{}")
    head, body = text.split("\n\n")
    method, headers, question = Backend.asked
    wrong = [name for name in (line.split(":")[0] for line in head.splitlines()[1:]) if name not in headers]
    shown = json.loads(body.replace("{…}", "{}"))
    expect(not wrong and shown.keys() == question.keys(), page, f"the backend is asked {question} without {wrong}")


def words(page, text):
    for word in text.splitlines():
        kind, = json.loads(word)
        answer = connected_by_backend(page, word)
        said = answer.get("push", answer)
        kind = "connect" if kind == "result" else kind
        expect(kind in said and (kind == "connect" or said[kind]["code"] == json.loads(word)[kind]["code"]), page, f"{word} leads to {answer}")


SENT = {
    ("docs/auth.md", "json", '{"sub": "42", "exp": 1735689600, "info": {"name": "Ada"}, "channels": ["news:all"]}'): connection_token,
    ("docs/auth.md", "json", '{"sub": "42", "channel": "private:7", "exp": 1735689600, "override": {"force_recovery": {"value": true}}}'):
        subscription_token,
    ("docs/auth.md", "", "POST /centrifugo/connect HTTP/1.1"): asked,
    ("docs/auth.md", "json", '{"result": {}}'): words,
    ("docs/client-protocol-http.md", "", "POST /emulation"): emulation,
    ("docs/client-protocol-http.md", "", "GET /connection/poll?group=news&group=chat:1&since=dXq1:41,&token=…"): poll,
    ("docs/client-protocol-http.md", "js", "const client = new Centrifuge(["): centrifuge,
    ("docs/client-protocol-http.md", "js", "const events = new EventSource('/connection/uni_sse?cf_connect=' + encodeURIComponent(JSON.stringify({token})));"):
        event_source,
    ("docs/client-protocol-http.md", "js", "let since = '';"): poll_loop,
    ("docs/client-protocol-http.md", "json",
     '{"publications": [{"group": "news", "data": {"text": "hello"}, "offset": 42, "time": 1763780000000}], '
     '"since": "dXq1:42,", "recovered": true}'): polled,
}
