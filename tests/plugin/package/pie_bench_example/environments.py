"""An environment: a YAML file."""

from pathlib import Path

HOST_O1 = Path(__file__).with_name("host-o1.yaml")
