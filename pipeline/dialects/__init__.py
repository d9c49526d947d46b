"""Front doors: one vendor's API a folder. They translate and decide nothing."""
