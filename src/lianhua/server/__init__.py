"""The server as a program: its commands, its processes, its sockets."""
