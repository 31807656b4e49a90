"""Hypothesis profiles (`HYPOTHESIS_PROFILE=long` is what `make test-long` sets), and the servers as fixtures."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import nats_url, postgres_url, redis_url

__all__ = ["nats_url", "postgres_url", "redis_url"]


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """A command run inside a test may switch the garbage collector off, as one that ends with its process may."""
    yield
    gc.enable()


# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
