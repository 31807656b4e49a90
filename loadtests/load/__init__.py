"""The sample backend under load while its memory is slow: with its guards, and without.

    locust ──► examples/agent_backend ──► memory        three processes, on loopback ports of their own
               AGENT_GUARDS=on|off        slow for the middle third, then well again

memory      the memory service, and when it is slow        processes    start, find out where, end
running     one run: all three, and what Locust saw        figures      what that came to
table       both runs side by side                         ../locustfile.py  the users
"""
