"""Commands in processes of their own that are stopped while they work."""

import subprocess
import sys
import time


def stop(arguments, number, is_at_work):
    """The exit status and stderr of a command that gets a signal once it is at work."""
    command = [sys.executable, "-m", "spinbound.cli", *arguments, "--threads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while process.poll() is None and not is_at_work():
            time.sleep(0.005)
        process.send_signal(number)
        err = process.stderr.read()
    return process.returncode, err
