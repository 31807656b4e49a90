"""What users need to test their own resilience: time and chance that a test holds in its hand."""

from __future__ import annotations

from guardrails.testing.clock import VirtualClock

__all__ = ["VirtualClock"]
