"""What a user would pick instead: a job that does nothing, in each of the usual job queues; knows nothing of ours."""
