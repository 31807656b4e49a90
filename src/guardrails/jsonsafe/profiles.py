"""Who will read the JSON, and what that reader cannot take.

js      browsers and most services: integers within 53 bits, no NaN, unique names, no lone surrogates
pg      PostgreSQL's jsonb: as js, and no U+0000
log     a log store: as js, without secrets, at most 256 KiB, in about 50 ms
wire    our own `loads(tags=True)`: types come back, by tags of a closed list
hash    a hash function: one text for one value, ordered as RFC 8785 has it
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Profile = Literal["js", "pg", "log", "wire", "hash"]
Policy = Literal["strict", "safe", "lossy"]

# Containers within containers; orjson's own limit, so that both lanes stop at the same place.
DEEPEST = 254
# Taken from what may have no end: ranges, sequences and mappings of unknown classes, iterators on request.
MOST_ITEMS = 10_000
# Beyond 2**53 JavaScript rounds without a word.
LARGEST_INT = 2**53 - 1
KIB = 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """What one encoding must keep to. Sizes in bytes, but `longest` in characters of one string."""

    name: Profile
    most_bytes: int = 5 * KIB * KIB
    longest: int = KIB * KIB
    seconds: float | None = None
    nul: bool = True
    redact: bool = False
    tags: bool = False
    canonical: bool = False
    # Whether orjson alone may write what is clean.
    fast: bool = False


def _trimmed(terms: Terms) -> Terms:
    most, longest = min(terms.most_bytes, 256 * KIB), min(terms.longest, 16 * KIB)
    return replace(terms, most_bytes=most, longest=longest, seconds=0.05)


_TERMS = {
    terms.name: terms
    for terms in (
        Terms("js", fast=True),
        Terms("pg", fast=True, nul=False),
        _trimmed(Terms("log", redact=True)),
        # A document, or an image as text, may all but fill a message.
        Terms("wire", longest=4 * KIB * KIB, tags=True),
        Terms("hash", canonical=True),
    )
}
_TRIMMED = {name: _trimmed(terms) for name, terms in _TERMS.items()}


def terms_of(profile: Profile, policy: Policy) -> Terms:
    """The terms of a profile under a policy. Raises ValueError for a name that is none."""
    if policy not in ("strict", "safe", "lossy"):
        raise ValueError(f"there is no policy {policy!r}: choose strict, safe or lossy")
    terms = (_TRIMMED if policy == "lossy" else _TERMS).get(profile)
    if terms is None:
        raise ValueError(f"there is no profile {profile!r}: choose one of {', '.join(_TERMS)}")
    return terms
