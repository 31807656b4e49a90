"""Pure state machines for guarding a dependency: time and chance are arguments, verdicts are return values.

A method takes `now` (monotonic seconds) and, where chance is involved, `u` in [0, 1). None of them sleeps, locks, logs
or reads a clock: that is the business of the shell which holds one. A machine is for one thread at a time.

    window     the last outcomes, with running sums     breaker    the circuit: closed, open, half-open, isolated
    backoff    how long to wait between attempts        budget     how many retries and hedges are affordable
    bulkhead   how many calls at once                   rate       how many calls a second
    adaptive   a bulkhead that finds its own size       deadline   an instant that is handed down
    hedge      when a second call may overtake the first
"""
