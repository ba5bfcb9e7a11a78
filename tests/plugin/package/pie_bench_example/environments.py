"""An environment: a YAML file."""

from pathlib import Path

SKYLAKE_O1 = Path(__file__).with_name("skylake-o1.yaml")
