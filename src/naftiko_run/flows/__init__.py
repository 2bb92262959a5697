"""What happens between a caller's arguments and an outcome; both faces serve the same flows."""
