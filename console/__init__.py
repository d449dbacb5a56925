"""What people see and type: the `payments` command and the pages."""
