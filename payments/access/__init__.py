"""Users, sessions, rights and the audit history: who may do what, and the record of it."""
