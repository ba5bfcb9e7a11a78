"""A metric: what one sample is worth, and how that is averaged."""

import pie_bench
from pie_bench.metrics.best_at_k import faster_by

PERCENT_TWICE_AS_FAST = pie_bench.Metric("percent_twice_as_fast", "%Twice as fast", faster_by(2.0), "%")
