"""Users, sessions, rights and the audit history."""
