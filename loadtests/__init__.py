"""What it costs, keeps, finds and withstands: `bench`, `coverage`, `load`, `precision`, `recall`, `report_lint`."""
