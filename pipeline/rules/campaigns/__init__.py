"""Rules of campaigns: their speed limits, the gates that pause them, what operators may do with them."""
