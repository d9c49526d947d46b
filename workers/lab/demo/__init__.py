"""The demo: a sandbox account with simulated carriers, test keys, and the scenario of `postroad demo`."""
