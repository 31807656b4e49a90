"""The checks of the gate, one family of rules a module, with the knowledge that they share beside them."""
