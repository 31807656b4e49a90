"""What the model is told before the conversation."""

VERSION = "2025-06"
SYSTEM = "Answer {name} in a {style} way. Say which of these you used: {memories}."


def system(name: str, style: str, memories: list[str]) -> str:
    return SYSTEM.format(name=name, style=style, memories="; ".join(memories) or "nothing known yet")
