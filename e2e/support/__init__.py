"""What the tests share: the server as a process, an exact HTTP client, the errors of S3 and the keys of SSE-C."""
