"""A support assistant: conversations, answers streamed over SSE, a memory of each user, topics."""
