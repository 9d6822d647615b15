"""What a user's teams show them, asked for with the user's own log-in."""
