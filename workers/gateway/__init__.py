"""The HTTP gateway: server, limits, routing of requests, and the receipt endpoint."""
