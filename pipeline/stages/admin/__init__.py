"""Off the road: what operators ask for and set."""
