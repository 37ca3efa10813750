"""The simulator: its loop, its seeds, and the bugs it must find."""
