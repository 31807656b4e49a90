"""How each user likes to be answered."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    name: str
    style: str = "friendly"


KNOWN = {"anna": Profile("Anna", style="brief"), "ben": Profile("Ben", style="detailed")}


def of(user: str) -> Profile:
    return KNOWN.get(user, Profile(user.capitalize()))
