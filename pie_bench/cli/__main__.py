import sys

from pie_bench.cli.main import main

sys.exit(main())
