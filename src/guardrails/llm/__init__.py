"""Streams of language models that survive: one argument to the client, and an answer that is cut still arrives whole.

client = openai.OpenAI(http_client=healing_client(httpx2.Client))
client = openai.AsyncOpenAI(http_client=httpx2.AsyncClient(transport=healing(httpx2.AsyncHTTPTransport())))
last_heal()     what was done to the last stream of this task, None if nothing was

async with stream_with_fallback(Request(messages), [Target(…), Target(…), my_function]) as stream:
    async for event in stream:      Text | ToolCall | Attempt | Usage | Done
stream.result                       without an SDK: any provider, and then the next one

policy         what a user says           capabilities  how a server takes up an answer: data
transport      what clients hold          call          one request with all its attempts
whole, rest    what goes through of the first attempt, and of one that goes on        mending   which comes next
wires/         how each wire is asked for the rest, and spliced                       faults    what clients get
watchdog       the alarm for silence      heals         last_heal, hooks, log      usage   what attempts have cost
places, route  who may be asked, with a circuit and a budget each; who is, for one answer
moving         a request for somebody else            foreign, rendering   an answer of another wire, in the client's

stream         what callers iterate       story, last_rungs   which event is next, and what is done when nothing heals
request, targets, functions   what is asked, and of whom      neutral, reading    what a healed stream tells
homes          what all streams to the same targets share
"""

from guardrails.llm.capabilities import Capability
from guardrails.llm.clients import healing, healing_client
from guardrails.llm.heals import Heal, last_heal
from guardrails.llm.neutral import Attempt, Done, Event, Result, Text, Usage
from guardrails.llm.places import Spending, spending
from guardrails.llm.policy import StreamPolicy
from guardrails.llm.request import Request, Tool, ToolCall
from guardrails.llm.stream import Stream, stream_with_fallback
from guardrails.llm.targets import Target
from guardrails.llm.usage import Spent

__all__ = [
    "Attempt",
    "Capability",
    "Done",
    "Event",
    "Heal",
    "Request",
    "Result",
    "Spending",
    "Spent",
    "Stream",
    "StreamPolicy",
    "Target",
    "Text",
    "Tool",
    "ToolCall",
    "Usage",
    "healing",
    "healing_client",
    "last_heal",
    "spending",
    "stream_with_fallback",
]
