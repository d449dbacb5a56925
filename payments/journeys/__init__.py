"""One sentence of the mission a file: load, ask the rules, store. Journeys do not call each other."""
