"""What is not the product: simulator, bench, demo, embedded servers, process supervisor."""
