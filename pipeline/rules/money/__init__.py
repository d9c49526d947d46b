"""Prices, currencies, carriers' balances."""
