"""Chromium without a window, driven through a pipe by its own protocol: no package is needed."""

import fcntl
import json
import os
import shutil
import subprocess
import time

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page of a browser.

    Args:
        place: An empty folder for its profile.
        options: Further ones of its command line.
    """

    def __init__(self, place, *options):
        (commands, self.commands), (self.answers, answers) = os.pipe(), os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]

        def connect():  # it reads from descriptor 3 and writes to 4
            high = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (commands, answers)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [BROWSER, *flags, f"--user-data-dir={place}", *options],
            pass_fds=(3, 4),
            preexec_fn=connect,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self.number, self.left, self.session = 0, b"", {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)

    def call(self, method, **parameters):
        """Call a method of the protocol; return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters, **self.session}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.left:
                part = os.read(self.answers, 1 << 16)
                assert part, "the browser has ended"
                self.left += part
            answer, _, self.left = self.left.partition(b"\0")
            answer = json.loads(answer)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url):
        """Open a page, and wait until it says that it is ready."""
        target = self.call("Target.createTarget", url=url)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.session = {"sessionId": session}
        self.until("document.body && document.body.dataset.ready === 'yes'")

    def run(self, code):
        """Return what an expression in JavaScript gives, as JSON has it."""
        result = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, code, seconds=120):
        """Wait until an expression holds."""
        end = time.monotonic() + seconds
        while not self.run(code):
            assert time.monotonic() < end, f"never: {code}"
            time.sleep(0.1)

    def click(self, selector):
        """Click, as a person does."""
        self.call("Runtime.evaluate", expression=f"document.querySelector({selector!r}).click()", userGesture=True)

    def choose(self, selector, file):
        """Choose a file in an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file)], nodeId=node)
