"""What JSON cannot keep: of an object, looked at in a child process, and of JSON text, read strictly.

objects   FILE.py:OBJECT ── child ── jsonsafe.explain ──┐
text      FILE.json ── scan ── tokens ── places ────────┴──► findings
"""
