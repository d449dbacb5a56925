"""The billing ledger: lines, entries, charges, patients, clinics, months, distribution, findings and history."""
