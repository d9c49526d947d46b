"""Memory. One table a file; set-based SQL; a function here never commits."""
