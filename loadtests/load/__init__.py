"""The sample backend under load while something that it leans on fails: with its guards, and without.

    locust ──► examples/agent_backend ──► memory        three processes, on loopback ports of their own
               AGENT_GUARDS=on|off   └──► model         in this process
                                          one of them fails for the middle third, then is well again

memory      the memory service, and when it is slow        processes    start, find out where, end
running     one run: all of them, and what Locust saw      figures      what that came to
table       both runs side by side                         ../locustfile.py  the users
"""
