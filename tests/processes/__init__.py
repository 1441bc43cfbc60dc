"""What several worker processes on one storage must show, over HTTP."""
