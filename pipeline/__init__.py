"""What happens to a message: rules decide, stores remember, carriers carry, stages do."""
