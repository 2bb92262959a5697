"""The upstream side: operations that call HTTP APIs. The only room that knows an HTTP client."""
