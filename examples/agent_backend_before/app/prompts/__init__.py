"""What the model is told before the conversation."""

VERSION = "2025-02"
SYSTEM = "Answer {name} in a {style} way."


def system(name: str, style: str, memories: list[str]) -> str:
    return SYSTEM.format(name=name, style=style)
