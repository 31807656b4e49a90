"""What each user has asked before: kept by the service at AGENT_MEMORY_URL, or in this process if there is none.

Guarded, reads and writes apart. `search` and `add` fall back on nothing known and nothing kept, and
`search.outcome(...)`, `add.outcome(...)` tell that from an answer.
"""

import os
import re

import httpx

from app.guards import memory


class InProcess:
    """A restart forgets it. Only the event loop touches it, so it needs no lock."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}

    async def search(self, user: str, query: str, limit: int) -> list[str]:
        wanted = words(query)
        ranked = sorted(self.texts.get(user, []), key=lambda text: len(wanted & words(text)), reverse=True)
        return [text for text in ranked[:limit] if wanted & words(text)]

    async def add(self, user: str, text: str) -> None:
        self.texts.setdefault(user, []).append(text)

    async def aclose(self) -> None:
        pass


class Service:
    """Over HTTP, with the timeouts that httpx has by itself: five seconds for each step."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, trust_env=False)

    async def search(self, user: str, query: str, limit: int) -> list[str]:
        wanted = {"user": user, "q": query, "limit": limit}
        return (await self.http.get("/search", params=wanted)).raise_for_status().json()

    async def add(self, user: str, text: str) -> None:
        (await self.http.post("/texts", json={"user": user, "text": text})).raise_for_status()

    async def aclose(self) -> None:
        await self.http.aclose()


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


URL = os.environ.get("AGENT_MEMORY_URL")
store = Service(URL) if URL else InProcess()


@memory.read(fallback=list)
async def search(user: str, query: str, limit: int = 3) -> list[str]:
    """The user's texts that share most words with the query, best first; none without a shared word."""
    return await store.search(user, query, limit)


@memory.write(fallback=lambda: None)
async def add(user: str, text: str) -> None:
    await store.add(user, text)
