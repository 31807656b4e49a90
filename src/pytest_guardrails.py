"""The pytest plugin: fixtures for code that is guarded, see `guardrails.testing`.

A module beside the package, and without an import of it: pytest loads this file in every test run of an environment,
also where somebody merely has the command installed, and has a package of his own that is called `guardrails`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.testing import FaultServer, VirtualClock

MARKER = "guards_enabled: guards work in this test, although its suite uses the fixture guards_disabled"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def guards_disabled(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every guard calls straight through; see `guardrails.testing.disabled`.

    Not in a test that is marked `guards_enabled`, or asks for `guards_clock`.
    """
    if request.node.get_closest_marker("guards_enabled") or "guards_clock" in request.fixturenames:
        yield
        return
    from guardrails.testing import disabled  # noqa: PLC0415 - see above

    with disabled():
        yield


@pytest.fixture
def guards_clock() -> Iterator[VirtualClock]:
    """The clock by which guards wait in this test, and take no time; see `guardrails.testing.virtual_time`."""
    from guardrails.testing import virtual_time  # noqa: PLC0415 - see above

    with virtual_time() as clock:
        yield clock


@pytest.fixture
def guards_reset() -> Iterator[None]:
    """Every guard is as new, before the test and after it; see `guardrails.testing.reset`."""
    from guardrails.testing import reset  # noqa: PLC0415 - see above

    reset()
    yield
    reset()


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """A server that speaks as LLM providers do, and fails as it is told; see `guardrails.testing.FaultServer`.

    Its `reply`, `plan`, `fault` and `pace` may be set at any time; `asked` holds the requests that came.
    """
    from guardrails.testing import FaultServer  # noqa: PLC0415 - see above

    with FaultServer() as server:
        yield server
