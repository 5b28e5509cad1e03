"""The live page: a small server on this machine only that shows the newest state and takes instructions.

One stream of server-sent events carries pictures and numbers together. A viewer that is slow skips states; the control
loop never waits for one. Requests are refused unless they come from the page itself: a page of another origin could
otherwise move the arm through the visitor's browser.
"""

import base64
import io
import json
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from PIL import Image as Picture

from premotor.core.errors import PremotorError
from premotor.core.types import Image

__all__ = ["HOST", "LivePage", "Phase", "PortTaken", "Request", "State"]

HOST = "127.0.0.1"
Phase = Literal["ready", "running", "done", "failed", "stopped", "refused"]

_PAGE = Path(__file__).parent / "page"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_BODY_LIMIT = 4096
_KEEP_ALIVE_S = 10.0
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"


class PortTaken(PremotorError):
    """The live page's port is in use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What the page shows. verdicts: one number a control step, 0 pass, 1 clamp, 2 hold, 3 stop. scene: in words."""

    phase: Phase
    instruction: str
    who: str
    scene: str
    seconds: float = 0.0
    limit_s: float = 1.0
    object: str | None = None
    target: str | None = None
    distance_cm: float | None = None
    verdicts: tuple[int, ...] = ()
    reason: str = ""
    message: str = ""
    ideas: tuple[str, ...] = ()
    pictures: Mapping[str, Image] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a person asked for on the page; `text` belongs to "say"."""

    kind: Literal["say", "fresh", "stop"]
    text: str = ""


class LivePage:
    """Serves while it is entered. `show` is quick and never waits; `requests` holds what people asked for."""

    def __init__(self, port: int) -> None:
        """port: 0 takes a free one. Raises PortTaken."""
        self.requests: queue.Queue[Request] = queue.Queue(maxsize=8)
        self._news = threading.Condition()
        self._data, self._number, self._open = b"", 0, True
        handler = type("Handler", (_Handler,), {"live": self})
        try:
            self._server = ThreadingHTTPServer((HOST, port), handler)
        except OSError as error:
            raise PortTaken(f"port {port} cannot be used ({error.strerror}); choose another with --port") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="live page", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where to point the browser."""
        return f"http://{HOST}:{self.port}/"

    def show(self, state: State) -> None:
        """Make `state` the newest; whoever watches gets it next."""
        flat = {f.name: getattr(state, f.name) for f in fields(state) if f.name != "pictures"}
        flat |= {name: _jpeg(image) for name, image in state.pictures.items()}
        data = json.dumps(flat).encode()
        with self._news:
            self._data, self._number = data, self._number + 1
            self._news.notify_all()

    def newest(self, after: int) -> tuple[int, bytes] | None:
        """The newest state as JSON with its number, once it is newer than `after`; None when it took too long."""
        with self._news:
            self._news.wait_for(lambda: self._number > after or not self._open, timeout=_KEEP_ALIVE_S)
            return (self._number, self._data) if self._number > after else None

    @property
    def open(self) -> bool:
        """Whether it still serves."""
        return self._open

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        with self._news:
            self._open = False
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2.0)


class _Handler(BaseHTTPRequestHandler):
    live: LivePage
    protocol_version = "HTTP/1.1"
    server_version = "premotor"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """The page's files and the stream of states."""
        if not self._local():
            return
        if self.path == "/events":
            self._stream()
        elif self.path in _FILES:
            name, kind = _FILES[self.path]
            self._answer(HTTPStatus.OK, (_PAGE / name).read_bytes(), kind)
        else:
            self._error(HTTPStatus.NOT_FOUND, f"nothing at {self.path[:80]!r}")

    def do_POST(self) -> None:
        """What a person asks for: /say, /fresh, /stop with {"text": ...}."""
        if not self._local() or not self._from_page():
            return
        kind = self.path.removeprefix("/")
        text = self._text()
        if text is None:
            return
        if kind not in ("say", "fresh", "stop"):
            self._error(HTTPStatus.NOT_FOUND, f"nothing at {self.path[:80]!r}")
            return
        try:
            self.live.requests.put_nowait(Request(kind=kind, text=text))  # type: ignore[arg-type]
        except queue.Full:
            self._error(HTTPStatus.TOO_MANY_REQUESTS, "still busy with what was asked before; try again in a moment")
            return
        self._answer(HTTPStatus.ACCEPTED, b"{}", "application/json")

    def _text(self) -> str | None:
        """The text of the body, or None after an error was answered."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _BODY_LIMIT:
            self.close_connection = True
            self._error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an instruction has at most {_BODY_LIMIT} bytes")
            return None
        try:
            text = json.loads(self.rfile.read(int(length)))["text"]
            if not isinstance(text, str):
                raise TypeError(f"text is a {type(text).__name__}")
        except (ValueError, KeyError, TypeError) as error:
            self._error(HTTPStatus.BAD_REQUEST, f'expected {{"text": "..."}} ({error})')
            return None
        return text

    def _local(self) -> bool:
        """Whether the browser believes to speak to this machine; a foreign name that points here is a trick."""
        names = {f"{host}:{self.live.port}" for host in (HOST, "localhost")}
        if self.headers.get("Host") in names:
            return True
        self.close_connection = True
        self._error(HTTPStatus.FORBIDDEN, f"this page is served as {self.live.url} only")
        return False

    def _from_page(self) -> bool:
        origins = {f"http://{host}:{self.live.port}" for host in (HOST, "localhost")}
        # A form of another site can send neither this origin nor, without asking first, this type.
        plain = self.headers.get("Content-Type", "").split(";")[0].strip() == "application/json"
        if self.headers.get("Origin") in origins and plain:
            return True
        self.close_connection = True
        self._error(HTTPStatus.FORBIDDEN, "instructions are taken from this page only")
        return False

    def _stream(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        number = 0
        try:
            while self.live.open:
                news = self.live.newest(number)
                if news is None:
                    self.wfile.write(b": still here\n\n")
                    continue
                number, data = news
                self.wfile.write(b"data: " + data + b"\n\n")
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            return  # The viewer went away.

    def _error(self, status: HTTPStatus, message: str) -> None:
        self._answer(status, json.dumps({"error": message}).encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        """Say nothing: the terminal belongs to the run."""


def _jpeg(image: Image) -> str:
    buffer = io.BytesIO()
    Picture.fromarray(image).save(buffer, format="JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()
