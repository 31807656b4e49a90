"""What the toolkit costs, keeps, finds and withstands: `bench`, `coverage`, `precision`, `recall`."""
