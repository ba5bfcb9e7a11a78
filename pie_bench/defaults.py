"""Defaults, kept apart because `--help` shows them and must not import anything."""

DEFAULT_ENVIRONMENT = "skylake"  # the environment for measurements
DEFAULT_PORT = 8399  # of `pie-bench serve`
