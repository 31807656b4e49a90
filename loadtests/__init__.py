"""What the toolkit costs, keeps, finds and withstands: `bench`, `coverage`, `load`, `precision`, `recall`, `report_lint`."""
