"""What a message is: our words, what a producer asks for, what we keep, what passes to a carrier."""
