"""The program `smsroi`: the commands of `commands`, and what answers before these are imported."""

import sys

from smsroi_helpers import runner

__all__ = ["main"]


def main() -> None:
    """Entry point of the installed command.

    A report that nothing has changed is found by the files alone; importing the commands takes longer than that.
    """
    for stream in (sys.stdout, sys.stderr):
        # With LC_ALL=C a path with non-ASCII characters must not raise.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    match sys.argv[1:]:
        case ["run", file] if index := runner.recall_answer(file):
            print(f"unchanged: {runner.shown_path(index)}")
        case _:
            from smsroi_helpers.commands import app

            app(prog_name="smsroi")


if __name__ == "__main__":
    main()
