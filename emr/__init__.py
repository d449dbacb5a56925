"""What a publisher uses: client, simulator and a reader of Synthea exports. Knows the event contract only."""
