"""Run a module until standard input closes: `python until_eof.py <module>`. It knows nothing but the standard library."""

import os
import runpy
import signal
import sys
import threading


def end_with_the_parent() -> None:
    """Ask this process to end as soon as whoever holds the other end of its standard input lets go."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
