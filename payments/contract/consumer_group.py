"""The name of the consumer group with which Billing reads the streams of the feed."""

CONSUMER_GROUP = "billing"
