"""A headless Chromium that signs in as a person would, driven over its debugging pipe without further packages."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

MIDDLE = "const r = e.getBoundingClientRect(); return r.width ? [r.x + r.width / 2, r.y + r.height / 2] : null;"


class Browser:
    """One page of a browser."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._rest = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._account: dict[str, str] = {}
        self.asked_to_sign_in = 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Fetch.enable", handleAuthRequests=True)

    def call(self, method: str, **arguments: Any) -> Any:
        """Ask the browser for something; answer what it asks meanwhile."""
        number = self._send(method, **arguments)
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._answer(message)

    def _send(self, method: str, **arguments: Any) -> int:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return number

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._read, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _end, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def _answer(self, message: dict[str, Any]) -> None:
        asked = message.get("params", {})
        if message.get("method") == "Fetch.requestPaused":
            self._send("Fetch.continueRequest", requestId=asked["requestId"])
        elif message.get("method") == "Page.javascriptDialogOpening":
            # Whoever leaves a page with something that is not saved is asked.
            self._send("Page.handleJavaScriptDialog", accept=True)
        elif message.get("method") == "Fetch.authRequired":
            self.asked_to_sign_in += 1
            answer = (
                {"response": "ProvideCredentials", **self._account} if self._account else {"response": "CancelAuth"}
            )
            # A wrong password is asked for again and again.
            self._account = {}
            self._send("Fetch.continueWithAuth", requestId=asked["requestId"], authChallengeResponse=answer)

    def open(self, url: str, name: str = "", password: str = "") -> None:
        """Go to a page; sign in when it asks for that."""
        self._account = {"username": name, "password": password} if name else {}
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Return what a script comes to in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def text(self) -> str:
        """Return what can be read in the page."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def wait_for(self, what: str, seconds: int = 240) -> str:
        """Return the page's text as soon as it has something in it."""
        deadline = time.monotonic() + seconds
        while what not in (text := self.text()):
            assert time.monotonic() < deadline, f"no '{what}' in: {text}"
            time.sleep(0.2)
        return text

    def click(self, element: str, times: int = 1, seconds: int = 240) -> None:
        """Click on what a script finds, as soon as it is there."""
        middle = f"(e => {{ if (!e) return null; e.scrollIntoView({{block: 'nearest'}}); {MIDDLE} }})({element})"
        deadline = time.monotonic() + seconds
        while not (place := self.run(middle)):
            assert time.monotonic() < deadline, f"no {element} in: {self.text()}"
            time.sleep(0.2)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                where = {"x": place[0], "y": place[1], "button": "left", "clickCount": count}
                self.call("Input.dispatchMouseEvent", type=kind, **where)

    def type(self, text: str) -> None:
        """Write where the cursor is."""
        self.call("Input.insertText", text=text)

    def shift_enter(self) -> None:
        """Press these two keys."""
        key = {"modifiers": 8, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **key)

    def look(self, file: Path, size: str = "desktop", dark: bool = False) -> None:
        """Keep what the page looks like."""
        self.resize(size, dark)
        shot = self.call("Page.captureScreenshot", format="png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def resize(self, size: str, dark: bool = False) -> None:
        """Be a device of another size, in light or dark."""
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])


@contextlib.contextmanager
def browser(profile: Path, addresses: dict[str, str], pin: str) -> Iterator[Browser]:
    """Start a browser that finds names at these addresses, and takes the certificate with this pin."""
    rules = ",".join(f"MAP {name} {address}" for name, address in addresses.items())
    command = [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
        *("--remote-debugging-pipe", "--no-proxy-server", f"--user-data-dir={profile}"),
        *(f"--host-resolver-rules={rules}", f"--ignore-certificate-errors-spki-list={pin}"),
        *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    ]
    # It reads from descriptor 3 and writes to 4. Not every shell takes other descriptors of two digits.
    for_it, to_it = os.pipe()
    from_it, by_it = os.pipe()
    wrapped = ["bash", "-c", f'exec "$@" 3<&{for_it} 4>&{by_it}', "sh", *command]
    process = subprocess.Popen(wrapped, pass_fds=(for_it, by_it), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    os.close(for_it)
    os.close(by_it)
    try:
        yield Browser(to_it, from_it)
    finally:
        os.close(to_it)
        process.terminate()
        process.wait(120)
        os.close(from_it)
