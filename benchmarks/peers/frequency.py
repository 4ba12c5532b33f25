"""How often to send, in pandas: the baseline of `benchmarks.frequency`, which says what it covers.

python -m benchmarks.peers.frequency FOLDER
"""

import subprocess
import sys

from benchmarks.frequency import PANDAS


def run(folder: str) -> str:
    """Run it in a process of its own, and return what it prints."""
    command = [sys.executable, "-W", "ignore", "-c", PANDAS, folder]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


if __name__ == "__main__":
    print(run(sys.argv[1]))
