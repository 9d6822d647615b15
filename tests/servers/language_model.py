"""A provider of language models that speaks OpenAI's chat API: who asks it is told that all is well."""

from __future__ import annotations

import json
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-of-the-team-alone"
VERDICT = {"result": True, "rationale": "it says what was asked"}


class Provider(ThreadingHTTPServer):
    """It keeps what it was asked, and gives the second half of an answer in pieces only when it may."""

    daemon_threads = True

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), Chat)
        self.address = address
        self.asked: list[dict[str, t.Any]] = []
        self.may_go_on = threading.Event()

    @property
    def uri(self) -> str:
        return f"http://{self.address}:{self.server_port}/v1"


class Chat(BaseHTTPRequestHandler):
    """One connection."""

    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {KEY}" or self.path != "/v1/chat/completions":
            self.answer(401, "application/json", b'{"error": {"message": "who are you?"}}')
            return
        self.server.asked.append(body)
        answer = {"id": "1", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            message = {"role": "assistant", "content": json.dumps(VERDICT)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            whole = {**answer, "object": "chat.completion", "choices": [choice], "usage": usage}
            self.answer(200, "application/json", json.dumps(whole).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for word, end in (("first ", None), ("second", "stop")):
            choice = {"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": end}
            piece = {**answer, "object": "chat.completion.chunk", "choices": [choice]}
            self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\n\n")
            self.wfile.flush()
            self.server.may_go_on.wait(300)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: t.Any) -> None:
        """Say nothing."""
