"""Writers: one record in, one text out. Each shows waived findings, skipped checks and files not analysed."""
