"""How a carrier is chosen, and what is done after an attempt."""
