"""Where hosts plug in: one file a host, imported by name, so that no host is loaded for another.

from guardrails.middleware.starlette import SafeJSONResponse
"""
