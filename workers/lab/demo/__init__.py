"""What newcomers try things with: a sandbox, and a tour through it."""
