"""Commands that are run after a run has succeeded or failed."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
from typing import Any

import psutil

from smsroi_helpers.errors import UsageError, redact
from smsroi_helpers.runner.execute import process_tree

__all__ = [
    "call_hook",
    "split_command",
]

_HOOK_SECONDS = 30.0


def split_command(command: str, option: str) -> list[str]:
    """Split the command line of a hook into its arguments.

    Raises:
        UsageError: it cannot be split, for example because a quote is never closed.
    """
    try:
        return shlex.split(command, posix=os.name == "posix")
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def call_hook(command: list[str], option: str, summary: dict[str, Any]) -> None:
    """Run a command with the summary as JSON on standard input; it cannot change the outcome of the run."""
    if not command:
        return
    try:
        # Standard output is only for the report's path, so the hook's output goes to standard error.
        process = subprocess.Popen(  # noqa: S603 - the user's own command
            command, stdin=subprocess.PIPE, stdout=2, encoding="utf-8"
        )
        try:
            process.communicate(json.dumps(summary), timeout=_HOOK_SECONDS)
        except subprocess.TimeoutExpired:
            for member in process_tree(process.pid):
                with contextlib.suppress(psutil.Error):
                    member.kill()
            process.wait()
            problem = f"it took longer than {_HOOK_SECONDS:g} s and was stopped"
        else:
            problem = f"it ended with {process.returncode}" if process.returncode else ""
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        print(f"{option}: {redact(problem)}; the run itself is not affected", file=sys.stderr)
