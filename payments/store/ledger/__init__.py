"""Lines, entries, charges, patients, clinics, months, findings and history."""
