"""One module a resource; `app.main` gives each its prefix."""
