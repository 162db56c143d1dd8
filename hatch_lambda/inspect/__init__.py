"""Looking into a zip that is there: contents, report, SBOM."""
