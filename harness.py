#!/usr/bin/env python3
"""python harness.py --task … --model … is pie-bench run …"""

import sys

from pie_bench.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]], program="harness.py"))
