"""How often to send, in pandas: the baseline of `benchmarks.frequency`, which says what it covers.

python -m benchmarks.peers.frequency FOLDER
"""

import subprocess
import sys

from benchmarks.frequency import PANDAS

if __name__ == "__main__":
    sys.exit(subprocess.run([sys.executable, "-W", "ignore", "-c", PANDAS, sys.argv[1]], check=False).returncode)  # noqa: S603
