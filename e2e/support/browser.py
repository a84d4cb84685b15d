"""A real browser: headless Chromium, which keeps pages of different origins apart."""

import subprocess
from pathlib import Path

PROGRAM = "chromium-headless-shell"
# As long as the scripts of a page think that they may run; the clock stands while they wait for the network.
SCRIPT_MS = 30_000
TIMEOUT_S = 120


class Browser:
    """Opens pages with a profile of its own. Any certificate will do: these tests are about origins."""

    def __init__(self, home):
        self.home = Path(home)

    def open(self, url):
        """The page as it stands once its scripts have run."""
        # As root, which CI is, Chromium has no sandbox.
        done = subprocess.run(
            [PROGRAM, "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", f"--user-data-dir={self.home}",
             f"--virtual-time-budget={SCRIPT_MS}", "--dump-dom", url],
            capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        return done.stdout
