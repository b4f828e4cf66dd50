"""Uses a page as a person does, in a real Chromium without a window.

usage: browse.py CHROMIUM ADDRESS < STEPS > RESULT

STEPS is a JSON list of objects, each with one key:

  evaluate: JavaScript, whose value becomes a value of the result
  click:    JavaScript of a point [x, y] in the window, or of an element, whose middle is meant
  drag:     JavaScript of two points
  wheel:    JavaScript of [x, y, how far]
  type:     text, which goes to the element that has the focus
  key:      the name of a key, such as Enter
  scheme:   "light" or "dark"
  size:     [width, height] of the window
  picture:  the path of a PNG file

RESULT is a JSON object: values; errors (what the console shows of them, exceptions, dialogs); requests (all addresses that were asked for).
The browser is driven over two pipes (--remote-debugging-pipe), so that no port is open. Only Python's own library is used.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

DEADLINE = time.monotonic() + 90


class Browser:
    def __init__(self, program, folder):
        down, self.writer = os.pipe()
        self.reader, up = os.pipe()
        # Out of the way of 3 and 4, where Chromium looks for the pipes.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (down, up)]

        def prepare():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [
                program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--proxy-server=127.0.0.1:9", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(f"{folder}/log", "wb"), env={**os.environ, "HOME": folder},
            preexec_fn=prepare, close_fds=False, start_new_session=True)
        for end in [down, up] + ends:
            os.close(end)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.errors, self.requests, self.seen = [], [], set()

    def receive(self):
        while b"\0" not in self.buffer:
            left = DEADLINE - time.monotonic()
            if left <= 0 or not select.select([self.reader], [], [], left)[0]:
                raise SystemExit("the browser took too long")
            piece = os.read(self.reader, 1 << 20)
            if not piece:
                raise SystemExit("the browser ended by itself")
            self.buffer += piece
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        if "method" in message:
            self.note(message["method"], message["params"])
        return message

    def note(self, method, params):
        self.seen.add(method)
        if method == "Runtime.exceptionThrown":
            detail = params["exceptionDetails"]
            self.errors.append(detail.get("exception", {}).get("description", detail["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.errors.append("dialog: " + params["message"])
            self.send("Page.handleJavaScriptDialog", {"accept": True})

    def send(self, method, params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writer, data):]
        return self.number

    def call(self, method, **params):
        number = self.send(method, params)
        while True:
            message = self.receive()
            if message.get("id") == number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{script}: {result['exceptionDetails'].get('exception', {}).get('description')}")
        return result["result"].get("value")

    def settle(self):
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def open(self, address):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(1400, 900)
        self.call("Page.navigate", url=address)
        while "Page.loadEventFired" not in self.seen:
            self.receive()
        self.settle()

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def press(self, points):
        self.mouse("mouseMoved", *points[0])
        self.mouse("mousePressed", *points[0], button="left", clickCount=1)
        for point in points[1:]:
            self.mouse("mouseMoved", *point, button="left", buttons=1)
        self.mouse("mouseReleased", *points[-1], button="left", clickCount=1)

    def point(self, script):
        return self.evaluate(
            "(value => { if (Array.isArray(value)) return value; value.scrollIntoView({ block: 'nearest' });"
            f" const box = value.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})({script})")

    def step(self, kind, value, values):
        if kind == "evaluate":
            values.append(self.evaluate(value))
        elif kind == "click":
            self.press([self.point(value)])
        elif kind == "drag":
            self.press(self.evaluate(value))
        elif kind == "wheel":
            x, y, far = self.evaluate(value)
            self.mouse("mouseWheel", x, y, deltaX=0, deltaY=far)
        elif kind == "type":
            self.call("Input.insertText", text=value)
        elif kind == "key":
            code = {"Enter": 13, "Escape": 27, "Tab": 9}[value]
            for way in ("rawKeyDown", "char", "keyUp"):
                if way != "char" or value == "Enter":
                    text = {"text": "\r"} if way == "char" else {}
                    self.call("Input.dispatchKeyEvent", type=way, key=value, code=value, windowsVirtualKeyCode=code, **text)
        elif kind == "scheme":
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])
        elif kind == "size":
            self.size(*value)
        elif kind == "picture":
            data = self.call("Page.captureScreenshot", format="png")["data"]
            with open(value, "wb") as file:
                file.write(base64.b64decode(data))
        else:
            raise SystemExit(f"unknown step {kind}")
        self.settle()

    def close(self):
        # Without its pipes it ends; what does not is ended.
        os.close(self.writer)
        os.close(self.reader)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def main():
    program, address = sys.argv[1:]
    steps = json.load(sys.stdin)
    folder = tempfile.mkdtemp(prefix="portcullis-browser-")
    browser = Browser(program, folder)
    values = []
    try:
        browser.open(address)
        for step in steps:
            for kind, value in step.items():
                browser.step(kind, value, values)
    except SystemExit as end:
        with open(f"{folder}/log", errors="replace") as log:
            print(end, *log.read().splitlines()[-5:], sep="\n", file=sys.stderr)
        sys.exit(1)
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)
    json.dump({"values": values, "errors": browser.errors, "requests": browser.requests}, sys.stdout)


main()
