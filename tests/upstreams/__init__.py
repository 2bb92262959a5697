"""The two APIs of the shipyard examples, as servers on real sockets.

Tests take the fixtures ``registry`` and ``dockyard``; people run ``make shipyard`` and try the
examples by hand. What the servers hold are facts of the language's conformance cases: do not
change a value here.
"""
