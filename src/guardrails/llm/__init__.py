"""Streams of language models that survive: one argument to the client, and an answer that is cut still arrives whole.

client = openai.OpenAI(http_client=healing_client(httpx2.Client))
client = openai.AsyncOpenAI(http_client=httpx2.AsyncClient(transport=healing(httpx2.AsyncHTTPTransport())))
last_heal()     what was done to the last stream of this task, None if nothing was

policy         what a user says           capabilities  how a server takes up an answer: data
transport      what clients hold          call          one request with all its attempts
whole, rest    what goes through of the first attempt, and of one that goes on        mending   which comes next
wires/         how each wire is asked for the rest, and spliced                       faults    what clients get
watchdog       the alarm for silence      heals         last_heal, hooks, log
"""

from guardrails.llm.capabilities import Capability
from guardrails.llm.clients import healing, healing_client
from guardrails.llm.heals import Heal, last_heal
from guardrails.llm.policy import StreamPolicy

__all__ = ["Capability", "Heal", "StreamPolicy", "healing", "healing_client", "last_heal"]
