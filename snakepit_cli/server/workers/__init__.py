"""One file for each way to reach a worker; all of them are a WorkerLink. And the way to the warden."""
