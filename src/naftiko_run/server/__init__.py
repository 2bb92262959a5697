"""The process: files become a plan, a plan becomes listeners on sockets, until it is stopped."""
