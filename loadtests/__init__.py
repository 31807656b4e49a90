"""What the toolkit costs, keeps, finds, withstands: `bench coverage load precision recall report_lint`, a folder each."""
