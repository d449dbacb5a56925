"""The work itself: the rules, the ledger and the journeys. Knows no queue, no environment and no clock."""
