"""What each team of a host has and uses, measured without waking anybody."""
