"""What the model is told before the conversation."""

VERSION = "2025-06"
SYSTEM = "Answer {name} in a {style} way. Say which of these you used: {memories}."


def system(name: str, style: str, memories: list[str] | None) -> str:
    """`memories`: what is known of the user; None: nobody could be asked."""
    known = "out of reach for now, say so" if memories is None else "; ".join(memories) or "nothing known yet"
    return SYSTEM.format(name=name, style=style, memories=known)
