"""What happens at the front doors, before and beside the road."""
