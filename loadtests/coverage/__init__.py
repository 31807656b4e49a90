"""What encoders make of 99 kinds of value: `python -m loadtests.coverage`.

One process for each encoder, a time limit and 3 GiB of memory for each cell; after a crash or a hang a new process
goes on with the next kind. The payload is always `{"k": value}`, with a new value for each cell.

How a cell is judged. One function, `loadtests.coverage.judging.judge`, judges every encoder, and it sees nothing but
the output and how the call ended:

dies       the process ended by a signal
hangs      the call did not return within the limit, and again not within twice the limit
raises     it raised, whatever it raised
invalid    the output is no JSON by RFC 8259, or cannot be encoded as UTF-8
kept       the output satisfies the rule of the kind, see below
announced  not kept, but the output says that something is missing, or the encoder's own report does
silent     not kept, and nothing says so

The rule of a kind (`loadtests.coverage.kinds`) asks for the information, in any reasonable form: a date as ISO 8601,
as seconds or as a repr; bytes as text, in base 64, in hexadecimal or as a list of numbers; a Decimal as text or as a
number of the same value. These points decide cells, and they are the same for everyone:

- A text with the address of an object (`<Client object at 0x7f...>`) counts for nothing.
- A loss is announced by a word such as lost, cycle, truncated or serializable, by an ellipsis, or by a type in angle
  brackets (`<Decimal>`); null, `{}` and a missing name announce nothing.
- The members of a structure must stand there as values of their own; one long repr of the whole is no structure.
- Of what no text can hold (a lock, a coroutine, a class, an object whose `__repr__` fails) the type must be named.
  A generator may be read or named: reading it takes it from the caller, naming it keeps the items from the reader.
  Objects without any description may be named or shown.
- Of NaN and infinity alone, null is not kept: it says nothing. In an array of numbers, null can mean nothing else.
  NaT is "no time", and null is how JSON says that.
- Nesting over 254 levels, and a string of 20 MB, must be whole or cut in the open: something must stand at the place.
- A pydantic model that holds a lock counts for its other field; the lock is a kind of its own.
- An integer that JavaScript would round counts as kept when all its digits are there.
"""
