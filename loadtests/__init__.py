"""What the toolkit costs and withstands: ratio benchmarks in `bench`."""
