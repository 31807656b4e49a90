"""Whether a streamed answer is whole: what each event adds, and what must have come before the stream may end.

    answer = ANSWERS[wire](STRICT)                    one class a wire; the table is in `completeness_wires`
    step = answer.take(event.name, decode(event.data, json.loads))
    step.kind      content · other · ping · end · error · unknown         step.pieces   (block, text) it has added
    answer.state   open ─▶ unterminated ─▶ complete, or failed            answer.missing   why it is open still

    open           the contract is not met: a stream that ends now was cut
    unterminated   all content and the finish reason are there; only the terminator is missing: never resume this
    complete       the terminator came too: nothing more is to be waited for, though the body may stay open
    failed         the provider reported an error inside the stream; nothing that follows mends that

A closed connection proves nothing, and so it is no event here. Neither does `[DONE]` alone: some servers send it after
an error. An event that cannot be understood is recorded, and never taken for an end.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, Protocol

BlockKind = Literal["text", "refusal", "thinking", "tool", "other"]
StepKind = Literal["content", "other", "ping", "end", "error", "unknown"]
State = Literal["open", "unterminated", "complete", "failed"]

# Of strange events the first few are described, and briefly: a stream of garbage must fill no memory.
MOST_NOTES, LONGEST_NOTE, LONGEST_MESSAGE = 8, 200, 2000
# The status that a provider would have answered with, had the error come before the stream.
STATUS = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "resource_exhausted": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "internal": 500,
    "unavailable": 503,
    "service_unavailable": 503,
    "timeout_error": 504,
    "deadline_exceeded": 504,
    "overloaded_error": 529,
    "overloaded": 529,
}


class Contract(NamedTuple):
    """What an endpoint sends with every whole answer. It belongs to the endpoint: proxies leave out what others send.

    `finish`: a finish reason for each choice. `terminator`: the mark after which nothing comes, such as `[DONE]`.
    Neither: one of the two will do. `readable`: an event that could not be read may have held content, so the answer
    is not whole.
    """

    finish: bool = True
    terminator: bool = False
    readable: bool = True


# What the providers document. The terminator adds nothing: what is cut before it lacks no content.
STRICT: Final = Contract()
# For servers that send no finish reason with whole answers, as some of Ollama's have done.
LENIENT: Final = Contract(finish=False, readable=False)


class Learned:
    """A contract that asks for what the endpoint has sent with its whole answers so far; at first for either mark."""

    __slots__ = ("contract",)

    def __init__(self) -> None:
        self.contract = Contract(finish=False)

    def learn(self, answer: Answer) -> None:
        """Remember what a whole answer has brought; one that was cut or failed teaches nothing."""
        if answer.state in ("complete", "unterminated"):
            self.contract = self.contract._replace(
                finish=self.contract.finish or bool(answer.finish),
                # Who sends a finish reason before the last content says nothing with it.
                terminator=self.contract.terminator or (answer.withdrawn > 0 and answer.terminated),
            )


class Failure(NamedTuple):
    """An error that the provider reported inside a stream. `kind`: its own word for it, "" without one.

    `status`: what it said, or what the kind stands for; None: neither.
    """

    kind: str
    message: str
    status: int | None = None


class Block:
    """A part of the answer: `kind`, `text`, its length `chars`, and whether it is `closed`: all of it has come.

    `choice`: to which of several answers it belongs; `index`: its number on the wire. Of a tool call: `id`, `name`, and
    its arguments as JSON under way in `text`, or as an object in `value` where the wire sends them whole.
    """

    __slots__ = ("chars", "choice", "closed", "id", "index", "kind", "name", "value", "words")

    def __init__(self, kind: BlockKind, choice: int = 0, index: int = 0) -> None:
        self.kind = kind
        self.choice = choice
        self.index = index
        self.id = self.name = ""
        self.closed = False
        self.value: dict[str, Any] | None = None
        self.chars = 0
        # One growing buffer: a list of short strings takes fifteen times the text. A pair of surrogates may arrive
        # in two halves, and is kept as it came.
        self.words = bytearray()

    @property
    def text(self) -> str:
        """All that has come."""
        return self.words.decode("utf-8", "surrogatepass")


class Step(NamedTuple):
    """What one event was. `content`: of the answer, in `pieces`; `other`: understood, and no content.

    `end` and `error`: that and no more; what also brings content is `content`, so look at `answer.state`, too.
    """

    kind: StepKind
    pieces: tuple[tuple[Block, str], ...] = ()


OTHER: Final = Step("other")
PING: Final = Step("ping")
END: Final = Step("end")
ERROR: Final = Step("error")
UNKNOWN: Final = Step("unknown")
# Half the time of calling the class.
_new = tuple.__new__


def content(*pieces: tuple[Block, str]) -> Step:
    """The step of an event that holds these pieces of content."""
    return _new(Step, ("content", pieces))


class Unreadable(NamedTuple):
    """Data that is no JSON. `text`: its beginning."""

    text: str


class _Mark:
    __slots__ = ()


# The data `[DONE]`, and no data at all: what some servers keep a connection alive with.
DONE: Final = _Mark()
NOTHING: Final = _Mark()


class Loads(Protocol):
    """Reads JSON, or raises ValueError: `json.loads`, `orjson.loads`."""

    def __call__(self, data: str, /) -> Any: ...


def decode(data: str, loads: Loads) -> Any:
    """The data of an event as `take` wants it."""
    if data == "[DONE]":
        return DONE
    try:
        return loads(data)
    # Deep nesting overflows the standard library's reader.
    except (ValueError, RecursionError):
        bare = data.strip()
        return Unreadable(bare[:LONGEST_NOTE]) if bare not in ("", "[DONE]") else DONE if bare else NOTHING


class Answer:
    """An answer under way; one class a wire says how its events are read. For one stream, and one thread at a time.

    `contract`: what must come; default STRICT. `choices`: how many answers were asked for (`n`), default 1.
    Then: `blocks` in the order of their beginning, `finish` (reason by choice), `usage` (the provider's object),
    `failure`, `terminated`, `id`, `model`, `position` (the last sequence number, where events are numbered),
    `events` and `contents` (how many came, and how many of them held content), `unreadable` and `unknown` (counts),
    `notes` (the first few of those), `withdrawn` (finish reasons that content followed).
    """

    __slots__ = (
        *("_blocks", "blocks", "choices", "contents", "contract", "events", "failure", "finish", "id", "model"),
        *("notes", "position", "terminated", "unknown", "unreadable", "usage", "withdrawn"),
    )

    def __init__(self, contract: Contract = STRICT, choices: int = 1) -> None:
        self.contract = contract
        self.choices = choices
        self.blocks: list[Block] = []
        self._blocks: dict[object, Block] = {}
        self.finish: dict[int, str] = {}
        self.usage: dict[str, Any] | None = None
        self.failure: Failure | None = None
        self.terminated = False
        self.id = self.model = ""
        self.position: int | None = None
        self.events = self.contents = self.unknown = self.unreadable = self.withdrawn = 0
        self.notes: list[str] = []

    def take(self, name: str, value: Any) -> Step:
        """What the next event adds. `value`: what `decode` made of its data. Nothing that a server sends raises."""
        self.events += 1
        if self.terminated:
            return self._not_known(f"{name} after the end")
        if value is DONE:
            self.terminated = True
            return END
        if value is NOTHING:
            return PING
        failure = failure_in(name, value)
        if failure is not None:
            return self._fail(failure)
        if isinstance(value, Unreadable):
            return self._not_readable(value.text)
        step = self._take(name, value) if isinstance(value, dict) else self._not_known(repr(value)[:LONGEST_NOTE])
        if step.kind == "content":
            self.contents += 1
        return step

    def more(self, block: Block, said: str) -> None:
        """What `take` does with an event that adds these words to a block, and nothing else."""
        self.events += 1
        self.contents += 1
        self._grow(block, said)

    @property
    def state(self) -> State:
        """Whether it is whole; what the states mean stands at the top of the module."""
        if self.failure is not None:
            return "failed"
        if self.missing:
            return "open"
        return "complete" if self.terminated else "unterminated"

    @property
    def missing(self) -> str:
        """Why it is not whole, in words; "" if it is."""
        if self.failure is not None:
            return f"the provider reported an error: {self.failure.message or self.failure.kind}"
        if self.contract.readable and self.unreadable:
            return f"{self.unreadable} of {self.events} events could not be read; first: {self.notes[0]}"
        unfinished = self._unfinished()
        if self.contract.finish and unfinished:
            return unfinished
        if self.contract.terminator and not self.terminated:
            return "no terminator"
        if unfinished and not self.terminated:
            return f"{unfinished}, and no terminator"
        return "nothing but a terminator" if unfinished and not self.contents else ""

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return self.text_of(0)

    def text_of(self, choice: int) -> str:
        """The text of one choice, its text blocks joined."""
        return "".join([block.text for block in self.blocks if block.kind == "text" and block.choice == choice])

    def _take(self, name: str, value: dict[str, Any]) -> Step:
        """What an event that is a JSON object adds."""
        raise NotImplementedError

    def _unfinished(self) -> str:
        """What stands against all content being there."""
        had = set(self.finish)
        wanted = {block.choice for block in self.blocks} | had
        if len(had) < self.choices or wanted != had:
            asked = max(self.choices, len(wanted))
            return "no finish reason" if asked == 1 else f"a finish reason for {len(had)} of {asked} choices"
        still = next((block for block in self.blocks if not block.closed), None)
        return "" if still is None else f"block {still.index} ({still.kind}) did not end"

    def _block(self, key: object, kind: BlockKind, choice: int = 0, index: int = 0) -> Block:
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = Block(kind, choice, index)
            self.blocks.append(block)
        return block

    def _grow(self, block: Block, said: str) -> tuple[Block, str]:
        """A piece of content. One that comes after the finish reason of its choice shows that it was none."""
        block.chars += len(said)
        block.words += said.encode("utf-8", "surrogatepass")
        block.closed = False
        if self.finish and self.finish.pop(block.choice, None) is not None:
            self.withdrawn += 1
        return block, said

    def _finish(self, reason: str, choice: int = 0) -> None:
        """All of a choice is there, its blocks included: for wires that do not end blocks one by one."""
        self.finish[choice] = reason
        for block in self.blocks:
            if block.choice == choice:
                block.closed = True

    def _fail(self, failure: Failure) -> Step:
        # The first error is the cause, the others its echo.
        self.failure = self.failure or failure
        return ERROR

    def _not_known(self, what: str) -> Step:
        self.unknown += 1
        self._note(f"not known: {what}")
        return UNKNOWN

    def _not_readable(self, what: str) -> Step:
        """An event that may have held content, which is lost then."""
        self.unreadable += 1
        self._note(f"not readable: {what}")
        return UNKNOWN

    def _note(self, what: str) -> None:
        if len(self.notes) < MOST_NOTES:
            self.notes.append(what[:LONGEST_NOTE])


def failure_in(name: str, value: Any) -> Failure | None:
    """The error that an event reports, in any of the shapes that are in use; None: it reports none.

    `{"error": {…}}` or `{"error": "…"}`, alone, beside other keys or in a list; an event called "error"; an object
    that calls itself "error"; `[status, …]`.
    """
    if isinstance(value, Unreadable):
        return Failure("", value.text) if name == "error" else None
    if isinstance(value, list) and value:
        if isinstance(value[0], int) and 400 <= value[0] <= 599:
            return Failure("", _said(value[1:]), value[0])
        value = value[0]
    if not isinstance(value, dict):
        return Failure("", _said(value)) if name == "error" else None
    error = value.get("error")
    if not error:
        if "error" not in (name, value.get("type"), value.get("object")):
            return None
        error = value
    if not isinstance(error, dict):
        return Failure("", _said(error), _status(value))
    # An object that only calls itself "error" says what it is by its code, if at all.
    words = [word for key in ("type", "status", "code") if isinstance(word := error.get(key), str) and word != "error"]
    status = _status(error) or next((STATUS[word.lower()] for word in words if word.lower() in STATUS), None)
    message = error.get("message")
    return Failure(words[0] if words else "", _said(error if message is None else message), status)


def _status(error: dict[str, Any]) -> int | None:
    numbers = (error.get(key) for key in ("status_code", "status", "code"))
    return next((number for number in numbers if isinstance(number, int) and 400 <= number <= 599), None)


def _said(message: object) -> str:
    return (message if isinstance(message, str) else repr(message))[:LONGEST_MESSAGE]
