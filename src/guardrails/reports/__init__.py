"""Facts in, a document out: reports whose every figure names the command that gave it."""
