"""A model file on this computer, served by a child process."""
