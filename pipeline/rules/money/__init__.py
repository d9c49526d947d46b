"""Rules of money: prices, currencies, carriers' balances."""
