"""What becomes of a streamed answer that breaks: `python -m loadtests.matrix`.

Each of twelve faults, on three wires, in plain code and in asyncio, under each caller: the official clients alone,
litellm's Router and pydantic-ai's FallbackModel with a healthy fallback, and ours, without a fallback and with one.
The server is `guardrails.testing.FaultServer`. It breaks in the middle of the answer, and once: the next request is
served well; or always: then only another server can help, and there is a healthy one for those who know of it.

The model that it plays has one thing to say, in words of which no part comes twice. Shown a beginning of its answer it
goes on from there, in whatever words it is asked to; told to repeat the end first, it does. So whoever continues an
answer, or asks for all of it again, can arrive at the whole.

How a cell is judged. The judge sees the text that the caller was told, piece by piece, and the error, if there was one:

whole      all of the text came, once, and no error
error      an error of the caller's own tree was raised, and what had come is a beginning of the text
foreign    an error that the caller does not document was raised, such as one of its HTTP library; or its process died
silent     no error, and the text is not all there
doubled    what came is no beginning of the text: something in it came twice
hang       neither an end nor an error within ten times the timeout that the caller was given, nor in a new process
           within fifteen times

Everybody is given the same timeout, by the setting that its documentation names, and is else left as it is; retries of
its own stay on. A caller's user is taken for a careful one: an event that says "error" counts as an error, and an error
that comes after all of the text is still one. A finish reason that is missing counts for nothing, unless it is raised.
"""
