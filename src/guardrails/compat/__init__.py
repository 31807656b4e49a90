"""Drop-in names for users of other libraries: change one import, and our circuit is behind what you already call.

    pybreaker   its CircuitBreaker over our circuit: asyncio too, and calls run side by side
    rules       pybreaker's rules as questions to that circuit
    adopt       the other way round: pybreaker's own CircuitBreaker as the circuit of a guard

Nothing is imported here: each of these needs the library whose names it bears.
"""
