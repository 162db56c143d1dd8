"""A bill of materials of a Lambda zip, as CycloneDX 1.6 has it (https://cyclonedx.org/docs/1.6/json).

CycloneDX's hashes are those of an artefact. The zip has one: its own SHA-256. Of a distribution it is that of the wheel
or sdist that it came from, which the installed files do not tell; so it is there where the caller knows it, as a build
does, or where an installer has left it in `direct_url.json` (PEP 610), and missing otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.inspect.report import named, target_by_name, write_whole
from hatch_lambda.inspect.report.licences import licence_of
from hatch_lambda.inspect.report.requirements import requirements
from hatch_lambda.zip.writer import EPOCH_VARIABLE, source_date_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents, Installed
    from hatch_lambda.inspect.report.licences import Licence

# Made up once, for serial numbers that say nothing but what the document says (RFC 9562, 5.5).
_NAMESPACE = UUID("7d2c9c0e-52f7-4b0c-9a57-3f6f1b0d8a41")
_SHA256_LENGTH = 64


class MissingLibraryError(LambdaBuildError):
    """What writes CycloneDX documents is not installed."""


def write(zip_path: Path, output: Path, target: Target | None = None, hashes: Mapping[str, str] | None = None) -> Path:
    """Write the bill of materials of a zip, a layer's zip or a folder. See `document`."""
    return write_whole(output, document(zip_path, target, hashes))


def document(zip_path: Path, target: Target | None = None, hashes: Mapping[str, str] | None = None) -> str:
    """The bill of materials as JSON; the same for the same zip.

    `target`: what it is to run on, without one what its name says; it decides who requires whom. `hashes`: the SHA-256
    of the wheels that it was made of, by the names of their distributions. Raises `LambdaBuildError`.
    """
    from hatch_lambda.inspect import contents

    make_sure_that_the_library_is_there()
    held = contents.read(named(zip_path))
    known: dict[str, str] = {canonicalize_name(name): sha256 for name, sha256 in (hashes or {}).items()}
    return _serialised(_bom(held, target or target_by_name(zip_path), known))


def make_sure_that_the_library_is_there() -> None:
    """Raise `MissingLibraryError` if it is not: a build asks before it starts."""
    try:
        import cyclonedx  # noqa: F401 - only whether it can be imported
    except ImportError:
        raise MissingLibraryError(
            "Bills of materials are written by `cyclonedx-python-lib`, which is not installed.\n"
            "What you can do: `pip install 'hatch-lambda[sbom]'`. For `sbom = true` in a build, require "
            '`"hatch-lambda[sbom]"` under `[build-system]`.'
        ) from None


def _bom(held: Contents, target: Target | None, hashes: Mapping[str, str]) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.tool import ToolRepository

    # What lies in there twice, in two folders, is one component.
    components = {canonicalize_name(found.name): _component(held, found, hashes) for found in held.installed}
    root = _root(held, target)
    bom = Bom(
        metadata=BomMetaData(component=root, tools=ToolRepository(components=[_tool()])), components=components.values()
    )
    wanted = requirements(held.installed, target)
    bom.register_dependency(root, [components[name] for name in wanted.roots])
    for name, component in components.items():
        required = {edge.required for edge in wanted.of.get(name, ()) if edge.required != name}
        bom.register_dependency(component, [components[one] for one in sorted(required)])
    return bom


def _root(held: Contents, target: Target | None) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType

    about = {"package-type": held.kind}
    if target:
        about |= {"runtime": target.runtime.name, "architecture": target.architecture.name}
    sha256 = [] if held.zipped is None else [HashType(alg=HashAlgorithm.SHA_256, content=sha256_of(held.path))]
    return Component(
        name=_plain(held.path.name),
        version=_plain(held.project.version) if held.project else None,
        type=ComponentType.LIBRARY if held.kind == "layer" else ComponentType.APPLICATION,
        bom_ref=f"lambda:{_plain(held.path.name)}",
        hashes=sha256,
        properties=[Property(name=f"hatch-lambda:{key}", value=value) for key, value in about.items()],
    )


def _tool() -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(name="hatch-lambda", version=metadata.version("hatch-lambda"), type=ComponentType.APPLICATION)


def _component(held: Contents, found: Installed, hashes: Mapping[str, str]) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    name, version = canonicalize_name(found.name), _plain(found.version)
    purl = PackageURL("pypi", None, name, version)
    sha256 = hashes.get(name) or _installers_sha256(held, found)
    summary = str(found.metadata.get("Summary", "")).strip()
    return Component(
        name=_plain(found.name),
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        description=_plain(summary) if summary and summary != "UNKNOWN" else None,
        licenses=_licences(licence_of(found.metadata)),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else [],
    )


def _licences(licence: Licence) -> Iterator[License]:
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from cyclonedx.spdx import is_supported_id

    if licence.expression and is_supported_id(licence.expression):
        yield DisjunctiveLicense(id=licence.expression)
    elif licence.expression:
        yield LicenseExpression(licence.expression)
    for name in licence.names:
        yield DisjunctiveLicense(name=_plain(name))


def _installers_sha256(held: Contents, found: Installed) -> str | None:
    """The hash of the archive that a distribution was installed from by URL, in hexadecimal."""
    path = f"{found.dist_info}/direct_url.json"
    if all(entry.path != path for entry in found.entries):
        return None
    try:
        sha256 = json.loads(held.read(path))["archive_info"]["hashes"]["sha256"]
    except (ValueError, KeyError, TypeError):
        return None
    is_one = isinstance(sha256, str) and len(sha256) == _SHA256_LENGTH and set(sha256) <= set("0123456789abcdef")
    return sha256 if is_one else None


def _plain(text: str) -> str:
    """Text of a zip's, as it can stand in any JSON."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _serialised(bom: Bom) -> str:
    """With a serial number made of what it says, and no time but that of `SOURCE_DATE_EPOCH`."""
    from cyclonedx.output.json import JsonV1Dot6

    content: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    content.pop("serialNumber", None)
    content["metadata"].pop("timestamp")
    if EPOCH_VARIABLE in os.environ:
        content["metadata"]["timestamp"] = datetime.fromtimestamp(source_date_epoch(), timezone.utc).isoformat()
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
    content["serialNumber"] = uuid5(_NAMESPACE, digest).urn
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
