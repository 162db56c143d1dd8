"""The contents of a zip as a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json); needs the extra `sbom`.

CycloneDX hashes are those of an artifact. The zip has one: its own SHA-256. For a distribution it is the hash of the
wheel or sdist it was installed from, which the installed files do not have: so it is only there if the caller passes
it, as a build does, or if the installer recorded it in `direct_url.json` (PEP 610).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL

from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.inspect.built import build_record_of
from hatch_lambda.inspect.licences import licence_of
from hatch_lambda.inspect.requirements import requirements
from hatch_lambda.wheels.build_record import PREFIX
from hatch_lambda.zip.writer import EPOCH_VARIABLE, source_date_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.licences import Licence
    from hatch_lambda.inspect.ownership import Installed

# A random namespace for serial numbers that depend on the content alone (RFC 9562, 5.5).
_NAMESPACE = UUID("7d2c9c0e-52f7-4b0c-9a57-3f6f1b0d8a41")
_LONGEST_VERSION = 1024
"""`maxLength` of `version` in https://cyclonedx.org/schema/bom-1.6.schema.json"""


def document(contents: Contents, target: Target | None, hashes: Mapping[str, str]) -> str:
    """The SBOM as JSON. `hashes`: SHA-256 of wheels by normalized name of the distribution."""
    # A distribution that is installed twice, in two directories, is one component.
    components = {found.normalized_name: _component(contents, found, hashes) for found in contents.installed}
    root = _root(contents, target)
    tool = Component(name="hatch-lambda", version=metadata.version("hatch-lambda"), type=ComponentType.APPLICATION)
    bom = Bom(
        metadata=BomMetaData(component=root, tools=ToolRepository(components=[tool])), components=components.values()
    )
    graph = requirements(contents.installed, target)
    bom.register_dependency(root, [components[name] for name in graph.roots])
    for name, component in components.items():
        required = {edge.required for edge in graph.of.get(name, ())}
        bom.register_dependency(component, [components[one] for one in sorted(required)])

    # Reproducible: the serial number is a hash of the content, the only time is SOURCE_DATE_EPOCH.
    content: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    content.pop("serialNumber", None)
    content["metadata"].pop("timestamp")
    if EPOCH_VARIABLE in os.environ:
        content["metadata"]["timestamp"] = datetime.fromtimestamp(source_date_epoch(), timezone.utc).isoformat()
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
    content["serialNumber"] = uuid5(_NAMESPACE, digest).urn
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _root(contents: Contents, target: Target | None) -> Component:
    properties = {"package-type": contents.kind}
    if target:
        properties |= {"runtime": target.runtime.name, "architecture": target.architecture.name}
    sha256 = None if contents.zipped is None else sha256_of(contents.path)
    return Component(
        name=_encodable(contents.path.name),
        version=_version(contents.project.version) if contents.project else None,
        type=ComponentType.LIBRARY if contents.kind == "layer" else ComponentType.APPLICATION,
        bom_ref=f"lambda:{_encodable(contents.path.name)}",
        hashes=_hashes(sha256),
        properties=[Property(name=f"hatch-lambda:{key}", value=value) for key, value in properties.items()],
    )


def _component(contents: Contents, found: Installed, hashes: Mapping[str, str]) -> Component:
    purl = PackageURL("pypi", None, found.normalized_name, _encodable(found.version))
    summary = found.metadata.get("Summary")
    built = build_record_of(contents, found)
    return Component(
        name=_encodable(found.name),
        version=_version(found.version),
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        description=_encodable(summary) if summary and summary != "UNKNOWN" else None,
        licenses=_licences(licence_of(found.metadata)),
        hashes=_hashes(hashes.get(found.normalized_name) or _recorded_sha256(contents, found)),
        properties=[
            Property(name=PREFIX + key, value=_encodable(text))
            for key, text in (built.known() if built else {}).items()
        ],
    )


def _version(text: str) -> str | None:
    """None for one that is longer than CycloneDX allows; a part of it would be another version. The purl has it."""
    version = _encodable(text)
    return version if len(version) <= _LONGEST_VERSION else None


def _hashes(sha256: str | None) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []


def _licences(licence: Licence) -> Iterator[License]:
    if licence.expression and is_supported_id(licence.expression):
        yield DisjunctiveLicense(id=licence.expression)
    elif licence.expression:
        yield LicenseExpression(licence.expression)
    for name in licence.names:
        yield DisjunctiveLicense(name=_encodable(name))


def _recorded_sha256(contents: Contents, found: Installed) -> str | None:
    """The hash of the archive that a distribution was installed from by URL, in hexadecimal (PEP 610)."""
    path = f"{found.dist_info}/direct_url.json"
    if contents.owners.get(path) is not found:
        return None
    try:
        sha256: str = json.loads(contents.read(path))["archive_info"]["hashes"]["sha256"]
        return sha256 if re.fullmatch("[0-9a-f]{64}", sha256) else None
    except (ValueError, KeyError, TypeError):
        return None


def _encodable(text: str) -> str:
    """Text from a zip without lone surrogates, which JSON in UTF-8 cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
