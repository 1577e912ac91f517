"""The method itself: torch and numpy only, no I/O and no window."""
