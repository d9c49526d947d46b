"""The pipeline: rules decide, stores persist, carriers submit, stages combine them."""
