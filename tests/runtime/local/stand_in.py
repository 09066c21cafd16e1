"""An engine as far as a fleet can see: vLLM's endpoints over a token counter, with switches to make it fail.

``GET /switch?busy=3`` and the like: ``busy`` requests run, ``hang`` leaves everything but ``/health`` unanswered,
``crash`` ends it with that code, ``forget`` loses the weights at the next sleep, ``refuse`` fails every wake. Started
with ``STAND_IN_CRASH`` it ends at once; with ``STAND_IN_CHILD`` it has a child that heeds no SIGTERM.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

SWITCHES = {"busy": 0, "hang": 0, "crash": 0, "forget": 0, "refuse": 0}
STATE = {"tokens": 0, "sleeping": 0, "paused": 0, "weights": 1}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        sys.stdout.write(format % args + "\n")
        sys.stdout.flush()

    def _handle(self) -> None:
        where = urlsplit(self.path)
        query = dict(parse_qsl(where.query))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if SWITCHES["hang"] and where.path != "/health":
            threading.Event().wait()
        code, said = self._answer(where.path, query, json.loads(body) if body else {})
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(code)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, path: str, query: dict, body: dict) -> tuple[int, object]:
        if path == "/switch":
            SWITCHES.update({name: int(value) for name, value in query.items()})
            if SWITCHES["crash"]:
                os._exit(SWITCHES["crash"])
        elif path == "/v1/completions":
            STATE["tokens"] += body["max_tokens"]
            tokens = [i * STATE["weights"] for i in range(body["max_tokens"])]
            return 200, {"choices": [{"text": "x", "token_ids": tokens, "model": body["model"]}]}
        elif path == "/metrics":
            names = ("vllm:num_requests_running", "vllm:num_requests_waiting")
            names += ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
            numbers = (SWITCHES["busy"], 0, 0, STATE["tokens"])
            lines = [f'{name}{{engine="0"}} {number}.0' for name, number in zip(names, numbers, strict=True)]
            return 200, "\n".join(lines).encode() + b"\n"
        elif path == "/is_sleeping":
            return 200, {"is_sleeping": bool(STATE["sleeping"])}
        elif path == "/is_paused":
            return 200, {"is_paused": bool(STATE["paused"])}
        elif path in ("/sleep", "/pause"):
            assert query["mode"] == "wait"
            STATE["sleeping" if path == "/sleep" else "paused"] = 1
            STATE["weights"] = 0 if query.get("level") == "2" else STATE["weights"]
        elif path in ("/wake_up", "/resume"):
            if SWITCHES["refuse"]:
                return 500, {"error": "out of memory"}
            STATE["sleeping"] = STATE["paused"] = 0
        elif path == "/collective_rpc":
            STATE["weights"] = 7 if SWITCHES["forget"] else 1
        return 200, {}


def main() -> None:
    if os.environ.get("STAND_IN_CRASH"):
        sys.exit("no such model")
    if os.environ.get("STAND_IN_CHILD"):
        subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
    port = int(sys.argv[sys.argv.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
