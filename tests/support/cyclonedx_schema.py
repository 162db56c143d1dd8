"""CycloneDX's own schema, asked about documents."""

from __future__ import annotations


def fault_of(text: str) -> object:
    """What a JSON document of version 1.6 has that the schema forbids, or None."""
    # The grammars that it checks URLs with take seconds to import.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
