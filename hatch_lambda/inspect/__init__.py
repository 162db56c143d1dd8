"""For zips that exist: contents, comparison, report, SBOM."""
