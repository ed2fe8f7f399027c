#!/usr/bin/env python3
"""Wall time and peak memory of one whole process; as a script it measures its arguments and prints JSON.

Linux counts the memory of the process that starts another one as the other's until it runs its own program, so that
whoever calls run() must be small: import no numpy there, or use the script.
"""

import json
import os
import sys
import time


def run(command, log=os.devnull):
    """(seconds, peak resident bytes, exit status) of a command; its output goes to the file `log`."""
    output = (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ,
                            file_actions=[output, (os.POSIX_SPAWN_DUP2, 1, 2)])
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit, os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    print(json.dumps(dict(zip(("seconds", "peak_bytes", "status"), run(sys.argv[2:], sys.argv[1])))))
