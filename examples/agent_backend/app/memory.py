"""What each user has asked before. In this process for now: a restart forgets it.

Only the event loop touches the store, so it needs no lock.
"""

import re

store: dict[str, list[str]] = {}


def add(user: str, text: str) -> None:
    store.setdefault(user, []).append(text)


def search(user: str, query: str, limit: int = 3) -> list[str]:
    """The user's texts that share most words with the query, best first; none without a shared word."""
    wanted = words(query)
    ranked = sorted(store.get(user, []), key=lambda text: len(wanted & words(text)), reverse=True)
    return [text for text in ranked[:limit] if wanted & words(text)]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
