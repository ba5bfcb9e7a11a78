"""Runs commands in children forked from a process that has imported everything, so that restarting costs no imports.

Reads a line of JSON for each child: [arguments, file for its output, most bytes a file may have or null]; says its
process id, and its exit status when it has ended.
"""

import json
import os
import resource
import sys

import datasets  # noqa: F401
import openai  # noqa: F401

from pie_bench.cli.main import main
from pie_bench.stages import generate  # noqa: F401

for line in sys.stdin:
    arguments, output, most_bytes = json.loads(line)
    child = os.fork()
    if child == 0:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
        os._exit(main(arguments))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
