"""Requirement sets, each with the index that it is about; what is chosen is pip's business.

Names are those of a set alone (`scoped`), so that many sets can be resolved at once without touching each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.target import RUNTIMES
from tests.support.package_index import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RequirementSet(NamedTuple):
    """`chosen`: names and versions that come out for each target; None if that depends on it.

    `scope`: how its names begin, normalized.
    """

    title: str
    requirements: tuple[str, ...]
    offers: tuple[Offer, ...]
    chosen: str | None = None
    constraints: tuple[str, ...] = ()
    scope: str = ""


def need(
    title: str, requirements: str, *offers: str | Offer, chosen: str | None = None, constraints: str = ""
) -> RequirementSet:
    """Requirements, and constraints, with `&` between them. `offers`: texts for `offered`."""
    made = [each for offer in offers for each in ([offer] if isinstance(offer, Offer) else offered(offer))]
    return RequirementSet(title, _split(requirements), tuple(made), chosen, _split(constraints))


def offered(text: str) -> Iterator[Offer]:
    """`name 1.0 2.0 [extra other] py3-none-any yanked -> b>=1 & c; extra == 'other'`: all but the name may be missing.

    With several versions, a file of each; with `sdist` instead of a tag, sdists.
    """
    file, _, requires = text.partition(" -> ")
    extras = re.search(r" \[(.+?)\]", file)
    name, *words = (file.replace(extras[0], "") if extras else file).split()
    tags = [word for word in words if word.count("-") == 2]
    for version in [word for word in words if word[0].isdigit()] or ["1.0"]:
        yield Offer(
            name,
            version,
            None if "sdist" in words else tags[0] if tags else "py3-none-any",
            requires=_split(requires),
            extras=tuple(extras[1].split()) if extras else (),
            entry=(("yanked", "broken"),) if "yanked" in words else (),
        )


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(" & ")) if text else ()


def scoped(number: int, each: RequirementSet) -> RequirementSet:
    """The same with names that no other set has."""
    scope = f"s{number}."

    def prefixed(lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{scope}{line}" for line in lines)

    offers = [
        offer._replace(
            name=f"{scope}{offer.name}",
            requires=prefixed(offer.requires),
            filename=offer.filename and f"{scope.replace('.', '_')}{offer.filename}",
            text=offer.text and re.sub(r"^(Name|Requires-Dist):\s+", rf"\1: {scope}", offer.text, flags=re.MULTILINE),
        )
        for offer in each.offers
    ]
    return each._replace(
        requirements=prefixed(each.requirements),
        offers=tuple(offers),
        constraints=prefixed(each.constraints),
        scope=f"s{number}-",
    )


_MARKERS = (
    "python_version < '3.12'",
    "python_version >= '3.12'",
    "python_version == '3.13'",
    "python_version != '3.13'",
    "python_version ~= '3.11'",
    "python_version == '3.1*'",
    "python_version == '3.*'",
    "python_version === '3.13'",
    "python_version in '3.10 3.11'",
    "python_version not in '3.10,3.11'",
    "'3.12' <= python_version",
    "python_version > '3.9'",
    "python_version > '3'",
    "python_version < '3.13.0a1'",
    "python_full_version >= '3.13.1'",
    "python_full_version < '3.11.10'",
    "python_full_version == '3.10.14'",
    "python_full_version != '3.14.3'",
    "python_full_version ~= '3.12.3'",
    "implementation_name == 'cpython'",
    "implementation_name != 'cpython'",
    "implementation_version >= '3.12'",
    "platform_python_implementation == 'CPython'",
    "platform_python_implementation != 'PyPy'",
    "os_name == 'posix'",
    "os_name == 'nt'",
    "sys_platform == 'linux'",
    "sys_platform != 'win32'",
    "sys_platform in 'linux linux2 darwin'",
    "'linux' in sys_platform",
    "sys_platform > 'a'",
    "platform_system == 'Linux'",
    "platform_system == 'Windows'",
    "platform_machine == 'x86_64'",
    "platform_machine == 'aarch64'",
    "platform_machine in 'arm64 aarch64 ARM64'",
    "platform_machine not in 'x86_64 AMD64'",
    "platform_release >= '5'",
    "platform_release == '5.10.247'",
    "platform_version == '#1 SMP'",
    "'SMP' in platform_version",
    "extra == 'speed'",
    "extra != 'speed'",
    "extra == ''",
    "(python_version < '3.12' or platform_machine == 'aarch64') and sys_platform == 'linux'",
    "python_version < '3.12' or platform_machine == 'aarch64' and sys_platform == 'darwin'",
    "python_version >= '3.11' and python_version < '3.14'",
    "os_name == 'posix' and (python_full_version > '3.12.0' or (platform_system != 'Linux'))",
)

_EACH = [*enumerate(_MARKERS)]

MARKERS = (
    need("markers", " & ".join(f"a{number}; {marker}" for number, marker in _EACH[::4]),
         *(f"a{number}" for number, _ in _EACH)),
    need("markers of dependencies", "a", "a -> " + " & ".join(f"b{number}; {marker}" for number, marker in _EACH),
         *(f"b{number}" for number, _ in _EACH)),
    need("markers of dependencies, with an extra", "a[speed]",
         "a [speed] -> " + " & ".join(f"b{number}; {marker}" for number, marker in _EACH if "extra" in marker),
         *(f"b{number}" for number, _ in _EACH)),
)  # fmt: skip

EXTRAS = (
    need("extra", "a[x]", "a [x y] -> b; extra == 'x' & c; extra == 'y'", "b", "c", chosen="a 1.0, b 1.0"),
    need("no extra", "a", "a [x] -> b; extra == 'x'", "b", chosen="a 1.0"),
    need("two extras", "a[x,y]", "a [x y] -> b; extra == 'x' & c; extra == 'y'", "b", "c",
         chosen="a 1.0, b 1.0, c 1.0"),
    need("two extras, one by one", "a[x] & a[y]", "a [x y] -> b; extra == 'x' & c; extra == 'y'", "b", "c",
         chosen="a 1.0, b 1.0, c 1.0"),
    need("unknown extra", "a[z]", "a [x] -> b; extra == 'z'", "b", chosen="a 1.0"),
    need("unknown extra beside a known one", "a[x,z]", "a [x] -> b; extra == 'x' & c; extra == 'z'", "b", "c",
         chosen="a 1.0, b 1.0"),
    need("extra with a specifier", "a[x]<2", "a 1.0 1.5 2.0 [x] -> b; extra == 'x'", "b", chosen="a 1.5, b 1.0"),
    need("extra that only an old version has", "a[x]", "a [x] -> b; extra == 'x'", "a 2.0", "b", chosen="a 2.0"),
    need("extra of a dependency", "a", "a -> b[x]>=1", "b [x] -> c; extra == 'x'", "c", chosen="a 1.0, b 1.0, c 1.0"),
    need("extra that refers to the distribution itself", "a[all]",
         "a [all x y] -> a[x,y]; extra == 'all' & b; extra == 'x' & c; extra == 'y'", "b", "c",
         chosen="a 1.0, b 1.0, c 1.0"),
    need("extra that refers to itself", "a[x]", "a [x] -> a[x]; extra == 'x' & b; extra == 'x'", "b",
         chosen="a 1.0, b 1.0"),
    need("extras in a circle", "a[x]", "a [x] -> b[y]; extra == 'x'", "b [y] -> a[x]; extra == 'y'",
         chosen="a 1.0, b 1.0"),
    need("extra of another spelling", "a[Big_Data]", "a [Big.Data] -> b; extra == 'big-data'", "b",
         chosen="a 1.0, b 1.0"),
    need("marker with an extra of another spelling", "a[big-data]", "a [big_data] -> b; extra == 'Big_Data'", "b",
         chosen="a 1.0, b 1.0"),
    need("extra and Python in one marker", "a[x]", "a [x] -> b; extra == 'x' and python_version >= '3.12'", "b"),
    need("extra or Python in one marker", "a[x]", "a [x y] -> b; extra == 'y' or python_version >= '3.12'", "b"),
    need("extra that holds back a version", "a[x] & b", "a [x] -> b<2; extra == 'x'", "b 1.0 2.0",
         chosen="a 1.0, b 1.0"),
    need("extra with its own specifier on the same distribution", "a[x]>=1 & a<2",
         "a 0.9 1.0 1.1 2.0 [x] -> b; extra == 'x'", "b", chosen="a 1.1, b 1.0"),
    need("extra required twice, by two", "a & b", "a -> c[x]", "b -> c[y]<2",
         "c 1.0 2.0 [x y] -> d; extra == 'x' & e; extra == 'y'", "d", "e", chosen="a 1.0, b 1.0, c 1.0, d 1.0, e 1.0"),
    need("extra required by a version that is given up", "b", "b 2.0 -> c[y] & d>5", "b -> c[x]",
         "c [x y] -> e; extra == 'y'", "e", chosen="b 1.0, c 1.0"),
    need("extra of what another one holds back", "b & a[x]", "a 1.0 2.0 [x]", "b -> a<2", chosen="a 1.0, b 1.0"),
    need("extra whose dependency wants an older version of it", "a[x]", "a 2.0 1.0 [x] -> b; extra == 'x'",
         "b -> a<2", chosen="a 1.0, b 1.0"),
)  # fmt: skip

VERSIONS = (
    need("the newest", "a", "a 1.0 2.0 1.10 1.9", chosen="a 2.0"),
    need("numbers, not text", "a<2", "a 1.0 2.0 1.10 1.9", chosen="a 1.10"),
    need("exactly", "a==1.0", "a 1.0 1.0.1 2.0", chosen="a 1.0"),
    need("exactly, spelled shorter", "a==1", "a 1.0 1.0.1 2.0", chosen="a 1.0"),
    need("exactly, spelled longer", "a==1.0.0.0", "a 1.0 1.0.1 2.0", chosen="a 1.0"),
    need("any of a series", "a==1.*", "a 1.0 1.9 2.0", chosen="a 1.9"),
    need("none of a series", "a!=2.*", "a 1.0 1.9 2.0 2.1", chosen="a 1.9"),
    need("compatible", "a~=1.4", "a 1.3 1.4 1.9 2.0", chosen="a 1.9"),
    need("compatible in the third place", "a~=1.4.2", "a 1.4 1.4.9 1.5", chosen="a 1.4.9"),
    need("excluded", "a>=1,!=1.5,!=1.4", "a 1.0 1.4 1.5", chosen="a 1.0"),
    need("arbitrary equality", "a===1.5", "a 1.0 1.5 1.5.0.1", chosen="a 1.5"),
    need("arbitrary equality by text", "a===1.0", "a 1.0 1.0.0", chosen="a 1.0"),
    need("greater than, without its post-releases", "a>1.0", "a 1.0 1.0.post1 1.1", chosen="a 1.1"),
    need("less than, without its pre-releases", "a<2.0", "a 1.0 2.0rc1", chosen="a 1.0"),
    need("several requirements on one", "a>=1 & a<3 & a!=2.5", "a 1.0 2.0 2.5 3.0", chosen="a 2.0"),
    need("required twice in the same words", "a>=1 & a>=1", "a 1.0 2.0", chosen="a 2.0"),
    need("required by two", "a & b", "a -> c>=2", "b -> c<3", "c 1.0 2.0 2.9 3.0", chosen="a 1.0, b 1.0, c 2.9"),
    need("parentheses in metadata", "a", "a -> b (>=1,<2)", "b 1.0 1.5 2.0", chosen="a 1.0, b 1.5"),
    need("post-release", "a", "a 1.0 1.0.post1", chosen="a 1.0.post1"),
    need("post-release by number", "a==1.0.post1", "a 1.0 1.0.post1 1.0.post2", chosen="a 1.0.post1"),
    need("post-release that == does not mean", "a==1.0", "a 1.0 1.0.post1", chosen="a 1.0"),
    need("development release", "a", "a 1.0 1.1.dev3", chosen="a 1.0"),
    need("development release by name", "a>=1.1.dev1", "a 1.0 1.1.dev3", chosen="a 1.1.dev3"),
    need("epoch", "a", "a 2024.1 1!1.0", chosen="a 1!1.0"),
    need("epoch in a specifier", "a<1!0", "a 2024.1 1!1.0", chosen="a 2024.1"),
    need("epoch by number", "a==1!1.*", "a 2024.1 1!1.0 1!1.4 2!1.0", chosen="a 1!1.4"),
    need("local version", "a", "a 1.0 1.0+cpu", chosen="a 1.0+cpu"),
    need("local version of ==", "a==1.0", "a 1.0 1.0+cpu 1.0+cu118", chosen="a 1.0+cu118"),
    need("local version by name", "a==1.0+cpu", "a 1.0 1.0+cpu 1.0+cu118", chosen="a 1.0+cpu"),
    need("local version of !=", "a!=1.0", "a 0.9 1.0 1.0+cpu", chosen="a 0.9"),
    need("local version with several parts", "a", "a 1.0+ubuntu.1 1.0+ubuntu.10 1.0+ubuntu.9",
         chosen="a 1.0+ubuntu.10"),
    need("local version of >=", "a>=1.0", "a 1.0+cpu", chosen="a 1.0+cpu"),
    need("version with leading zeros", "a>=2024.1", "a 2024.01.05 2023.12.31", chosen="a 2024.1.5"),
    need("version spelled in an old way", "a==1.0rc1", "a 1.0 1.0.rc1", chosen="a 1.0rc1"),
    need("one version in two spellings", "a", "a 1.0 1.0.0"),
    need("one version in two spellings, the other way round", "a", "a 1.0.0 1.0"),
)  # fmt: skip

PRE_RELEASES = (
    need("pre-release passed over", "a", "a 1.0 2.0rc1", chosen="a 1.0"),
    need("pre-release by its specifier", "a>=2.0rc1", "a 1.0 2.0rc1 2.0rc2", chosen="a 2.0rc2"),
    need("pre-release by ==", "a==2.0b1", "a 1.0 2.0b1 2.0", chosen="a 2.0b1"),
    need("pre-release by ==, spelled otherwise", "a==2.0.beta1", "a 1.0 2.0b1 2.0", chosen="a 2.0b1"),
    need("pre-release that the final release supersedes", "a>=2.0rc1", "a 2.0rc1 2.0", chosen="a 2.0"),
    need("pre-releases only", "a", "a 1.0a1 1.0b2 1.0rc1", chosen="a 1.0rc1"),
    need("development releases only", "a", "a 1.0.dev1 1.0.dev2", chosen="a 1.0.dev2"),
    need("pre-releases only, within a bound", "a>=0.5", "a 0.4 1.0a1", chosen="a 1.0a1"),
    need("pre-release excluded by name", "a!=2.0rc1", "a 1.0 2.0rc1 2.0rc2"),
    need("pre-release as upper bound", "a<2.0rc1", "a 1.0 2.0b1"),
    need("pre-release as upper bound, itself", "a<=2.0rc1", "a 1.0 2.0b1 2.0rc1 2.0"),
    need("pre-release, compatible", "a~=2.0rc1", "a 1.0 2.0rc1 2.1b1 2.1.dev1 3.0"),
    need("pre-release of a dependency", "a", "a -> b>=2.0b1", "b 1.0 2.0b2", chosen="a 1.0, b 2.0b2"),
    need("pre-release by one of several requirements", "a>=1 & b", "a 1.0 2.0rc1", "b -> a>=2.0rc1",
         chosen="a 2.0rc1, b 1.0"),
    need("pre-release by one of several, of which the final counts", "a & b", "a -> c>=1.0a1", "b -> c<2",
         "c 1.0 1.5a1 2.0", chosen="a 1.0, b 1.0, c 1.5a1"),
    need("pre-release by arbitrary equality", "a===2.0rc1", "a 1.0 2.0rc1", chosen="a 2.0rc1"),
    need("pre-release by a wildcard", "a==2.0.*", "a 1.0 2.0rc1"),
    need("pre-release with an extra", "a[x]>=2.0rc1", "a 1.0 2.0rc1 [x] -> b; extra == 'x'", "b 1.0 2.0a1",
         chosen="a 2.0rc1, b 1.0"),
    need("pre-release whose dependency has only pre-releases", "a", "a 1.0a1 -> b", "b 1.0.dev1",
         chosen="a 1.0a1, b 1.0.dev1"),
    need("pre-release where the final is of another tag", "a", "a cp39-cp39-manylinux1_i686", "a 2.0rc1",
         chosen="a 2.0rc1"),
    need("pre-release where the final is for another Python", "a", Offer("a", requires_python="<3"), "a 2.0rc1",
         chosen="a 2.0rc1"),
    need("pre-release where the final was yanked", "a>=0.9 & b", "a yanked", "a 0.9 2.0rc1", "b",
         chosen="a 0.9, b 1.0"),
    need("pre-release of a post-release", "a>=1.0", "a 1.0 1.0.post1.dev2", chosen="a 1.0"),
)  # fmt: skip

YANKED = (
    need("yanked, not pinned", "a", "a", "a 2.0 yanked", chosen="a 1.0"),
    need("yanked for no reason", "a", "a", Offer("a", version="2.0", entry=(("yanked", True),)), chosen="a 1.0"),
    need("yanked: false", "a", "a", Offer("a", version="2.0", entry=(("yanked", False),)), chosen="a 2.0"),
    need("yanked with an empty reason", "a", "a", Offer("a", version="2.0", entry=(("yanked", ""),)), chosen="a 2.0"),
    need("yanked within a bound", "a>=1,<3", "a", "a 2.0 yanked", chosen="a 1.0"),
    need("only one file of a version yanked", "a", "a cp3-none-any yanked", "a", chosen="a 1.0"),
    need("the better file of a version yanked", "a==1.0",
         "a py3-none-manylinux_2_17_x86_64.manylinux_2_17_aarch64 yanked", "a", chosen="a 1.0"),
    need("yanked dependency", "a", "a -> b>=1", "b", "b 1.5 yanked", chosen="a 1.0, b 1.0"),
    need("yanked local version beside ==", "a==1.0", "a", "a 1.0+cpu yanked", chosen="a 1.0"),
)  # fmt: skip

SDISTS = (
    need("sdist beside a wheel", "a", "a", "a sdist", chosen="a 1.0"),
    need("older sdist", "a", "a 2.0", "a sdist", chosen="a 2.0"),
    need("sdist of a Python in its name", "a", "a 2.0",
         Offer("a", version="2.0", tag=None, filename="a-2.0-py2.7.tar.gz"), chosen="a 2.0"),
    need("sdist whose name is not clear", "a-b", "a-b",
         Offer("a-b", version="0.9", tag=None, filename="a-b-0.9.tar.gz"), chosen="a-b 1.0"),
    need("sdist of no version", "a", "a", Offer("a", version="2.0", tag=None, filename="a-latest.zip"),
         chosen="a 1.0"),
    need("sdist for another Python", "a", "a", Offer("a", version="2.0", tag=None, requires_python="<3"),
         chosen="a 1.0"),
    need("yanked sdist", "a", "a", "a 2.0 sdist yanked", chosen="a 1.0"),
    need("sdist of a pre-release", "a", "a", "a 2.0rc1 sdist", chosen="a 1.0"),
)  # fmt: skip

PREFER_BINARY = (
    need("newer sdist", "a", "a", "a 2.0 sdist", chosen="a 1.0"),
    need("newer sdist of a dependency", "a", "a -> b>=1", "b", "b 1.5 sdist", chosen="a 1.0, b 1.0"),
    need("newer sdist beside a wheel for other machines", "a", "a", "a 2.0 cp313-cp313-win_amd64", "a 2.0 sdist",
         chosen="a 1.0"),
    need("final sdist beside a wheel of a pre-release", "a>=1.0rc1", "a 1.0rc1", "a sdist", chosen="a 1.0rc1"),
    need("many newer sdists", "a", "a", *(f"a 2.{minor} sdist" for minor in range(20)), chosen="a 1.0"),
)  # fmt: skip

NAMES = (
    need("underscore for hyphen", "a_b", "a-b", chosen="a-b 1.0"),
    need("capitals", "A-B", "a-b", chosen="a-b 1.0"),
    need("dots", "a.b", "a-b", chosen="a-b 1.0"),
    need("runs of separators", "a--b", "a_b", chosen="a-b 1.0"),
    need("capitals in the file's name", "a-b", "A_B", chosen="a-b 1.0"),
    need("dots in the file's name", "a-b", "a.b", chosen="a-b 1.0"),
    need("another spelling in a dependency", "a", "a -> Some.Thing>=1", "some_thing 1.0 2.0",
         chosen="a 1.0, some-thing 2.0"),
    need("two spellings of one", "a-b>=1 & A_B<2", "a-b 1.0 1.5 2.0", chosen="a-b 1.5"),
    need("another spelling in a constraint", "a-b", "a-b 1.0 2.0", chosen="a-b 1.0", constraints="A.B<2"),
    need("digits and single letters", "x2", "x2", chosen="x2 1.0"),
)  # fmt: skip

CONSTRAINTS = (
    need("constraint", "a", "a 1.0 2.0", chosen="a 1.0", constraints="a<2"),
    need("constraint on a dependency", "a", "a -> b", "b 1.0 2.0", chosen="a 1.0, b 1.0", constraints="b==1.0"),
    need("constraint on nothing required", "a", "a", "b", chosen="a 1.0", constraints="b==1.0"),
    need("constraint on the base of extras", "a[x]", "a 1.0 2.0 [x] -> b; extra == 'x'", "b 1.0 2.0",
         chosen="a 1.0, b 1.0", constraints="a<2 & b<2"),
    need("constraint with a marker that holds", "a", "a 1.0 2.0", chosen="a 1.0",
         constraints="a<2; sys_platform == 'linux'"),
    need("constraint with a marker that does not", "a", "a 1.0 2.0", chosen="a 2.0",
         constraints="a<2; sys_platform == 'win32'"),
    need("constraint with a marker of Python", "a", "a 1.0 2.0", constraints="a<2; python_version < '3.12'"),
    need("several constraints", "a", "a 1.0 1.5 2.0", chosen="a 1.0", constraints="a<2 & a!=1.5"),
    need("constraint of a pre-release", "a", "a 1.0 2.0rc1", chosen="a 2.0rc1", constraints="a==2.0rc1"),
    need("constraint that allows pre-releases", "a", "a 1.0 2.0rc1", chosen="a 2.0rc1", constraints="a>=1.0.dev0"),
    need("constraint without a specifier", "a", "a 1.0 2.0", chosen="a 2.0", constraints="a"),
    need("constraint that moves a parent back", "a", "a 2.0 -> b>=2", "a -> b", "b 1.0 2.0", chosen="a 1.0, b 1.0",
         constraints="b<2"),
)  # fmt: skip

PAGES = (
    need("metadata beside the wheel, with its hash", "a", "a -> b", "b", chosen="a 1.0, b 1.0"),
    need("metadata beside the wheel", "a", Offer("a", requires=("b",), beside=True), Offer("b", beside=True),
         chosen="a 1.0, b 1.0"),
    need("metadata beside the wheel, without a hash", "a",
         Offer("a", requires=("b",), entry=(("core-metadata", {}),)), "b", chosen="a 1.0, b 1.0"),
    need("no metadata beside the wheel", "a", Offer("a", requires=("b",), beside=None), Offer("b", beside=False),
         chosen="a 1.0, b 1.0"),
    need("metadata by its former name", "a",
         Offer("a", requires=("b",), beside=None, entry=(("dist-info-metadata", True),)), "b", chosen="a 1.0, b 1.0"),
    need("size unknown", "a", Offer("a", entry=(("size", None),)), chosen="a 1.0"),
    need("requires-python unknown", "a", Offer("a", requires_python=">=3.8", on_page=""), chosen="a 1.0"),
    need("the same file twice", "a", "a 1.0 1.0", chosen="a 1.0"),
    need("URL of another directory", "a", Offer("a", entry=(("url", "/files/0/elsewhere/../{}"),)), chosen="a 1.0"),
    need("folded headers in METADATA", "a",
         Offer("a", text="Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Dist:\n  b (>=1, <2)\n"),
         "b 1.5 2.0", chosen="a 1.0, b 1.5"),
    need("headers of another case", "a",
         Offer("a", text="metadata-version: 2.1\nName: a\nversion: 1.0\nRequires-Dist: b\n\nRequires-Dist: c\n"),
         "b", "c", chosen="a 1.0, b 1.0"),
)  # fmt: skip

PYTHON = (
    *(
        need(f"Requires-Python {specifier} on the page", "a", "a", Offer("a", "2.0", requires_python=specifier))
        for specifier in (
            *(">=3.12", "<3.13", "==3.11.*", "!=3.14.*", ">=3.13.9", ">3.13", "~=3.12", "<4", ">=3.10,<3.12"),
            *("==3.12.12", "not a specifier", ">=3.*", ""),
        )
    ),
    *(
        need(f"Requires-Python {specifier} in METADATA only", "a", "a",
             Offer("a", "2.0", requires_python=specifier, on_page=""))
        for specifier in (">=3.12", "<3.13", "==3.11.*", "not a specifier")
    ),
    need("Requires-Python on the page only", "a", "a", Offer("a", "2.0", on_page=">=3.12")),
    need("Requires-Python of a dependency, in METADATA only", "a", "a -> b", "b",
         Offer("b", "2.0", requires_python="<3.12", on_page="")),
    need("each version for its own Python", "a",
         *(Offer("a", f"{minor}.0", requires_python=f"==3.{minor}.*") for minor in range(8, 16))),
    need("each version for its own Python, in METADATA only", "a",
         *(Offer("a", f"{minor}.0", requires_python=f">=3.{minor}", on_page="") for minor in range(8, 16))),
)  # fmt: skip


def _for_both(offer: str) -> tuple[str, ...]:
    return tuple(offer.replace("MACHINE", machine) for machine in ("x86_64", "aarch64"))


def _for_all(offer: str, pythons: Sequence[str] = ()) -> tuple[str, ...]:
    pythons = pythons or [name.removeprefix("python").replace(".", "") for name in RUNTIMES]
    return tuple(each for python in pythons for each in _for_both(offer.replace("XY", python)))


_OLD = "manylinux_2_17_MACHINE.manylinux2014_MACHINE"

TAGS = (
    need("a wheel for each Python", "a", *_for_all(f"a cpXY-cpXY-{_OLD}"), "a 0.9", chosen="a 1.0"),
    need("newest without a wheel for old Pythons", "a", *_for_all(f"a 2.0 cpXY-cpXY-{_OLD}", ("312", "313")), "a"),
    need("newest for one machine only", "a", "a 2.0 py3-none-manylinux2014_x86_64", "a"),
    need("newest for macOS and Windows only", "a", "a 2.0 cp313-cp313-macosx_11_0_arm64", "a 2.0 cp313-cp313-win_amd64",
         "a", chosen="a 1.0"),
    need("newest for musl only", "a", *_for_all("a 2.0 cpXY-cpXY-musllinux_1_2_MACHINE"), "a", chosen="a 1.0"),
    need("abi3 of an old Python", "a", *_for_both(f"a cp38-abi3-{_OLD}"), chosen="a 1.0"),
    need("abi3 of a newer Python", "a", *_for_both(f"a 2.0 cp313-abi3-{_OLD}"), *_for_both(f"a cp38-abi3-{_OLD}")),
    need("abi3 beside one for this Python", "a", *_for_both(f"a cp38-abi3-{_OLD}"),
         *_for_both(f"a cp312-cp312-{_OLD}"), chosen="a 1.0"),
    need("two of abi3", "a", *_for_both(f"a cp38-abi3-{_OLD}"), *_for_both(f"a cp311-abi3-{_OLD}"), chosen="a 1.0"),
    need("abi3t", "a", *_for_both(f"a 2.0 cp38-abi3t-{_OLD}"), "a", chosen="a 1.0"),
    need("abi3.abi3t", "a", *_for_both(f"a 2.0 cp38-abi3.abi3t-{_OLD}"), "a", chosen="a 2.0"),
    need("free-threaded", "a", *_for_all(f"a 2.0 cpXY-cpXYt-{_OLD}"), "a", chosen="a 1.0"),
    need("abi none", "a", *_for_both(f"a cp312-none-{_OLD}"), "a", chosen="a 1.0"),
    need("py3, py2.py3 and py3x", "a", "a py2.py3-none-any", "a py312-none-any", "a", chosen="a 1.0"),
    need("py2 only", "a", "a 2.0 py2-none-any", "a", chosen="a 1.0"),
    need("cp3-none-any beside py3", "a", "a cp3-none-any", "a", chosen="a 1.0"),
    need("cp312-none-any", "a", "a 2.0 cp312-none-any", "a"),
    need("pure beside compiled", "a", "a", *_for_all(f"a cpXY-cpXY-{_OLD}"), chosen="a 1.0"),
    need("newer pure beside older compiled", "a", "a 1.1", *_for_all(f"a cpXY-cpXY-{_OLD}"), chosen="a 1.1"),
    need("PyPy", "a", "a 2.0 pp310-pypy310_pp73-manylinux2014_x86_64", "a", chosen="a 1.0"),
    need("linux without a manylinux", "a", *_for_both("a py3-none-linux_MACHINE"), chosen="a 1.0"),
    need("linux beside manylinux", "a", *_for_both("a py3-none-linux_MACHINE"),
         *_for_both("a py3-none-manylinux1_MACHINE"), *_for_both("a py3-none-manylinux2014_MACHINE"), chosen="a 1.0"),
    need("every manylinux at once", "a",
         *(each for minor in range(5, 40) for each in _for_both(f"a py3-none-manylinux_2_{minor}_MACHINE")),
         chosen="a 1.0"),
    need("a manylinux for each version", "a",
         *(each for minor in range(5, 40) for each in _for_both(f"a {minor}.0 py3-none-manylinux_2_{minor}_MACHINE"))),
    need("manylinux for a newer glibc", "a", *_for_both("a 2.0 cp312-cp312-manylinux_2_28_MACHINE"),
         *_for_both("a 1.5 cp311-cp311-manylinux_2_26_MACHINE"), "a"),
    *(
        need(f"{newer} beside {older}", "a", *_for_both(f"a py3-none-{newer}_MACHINE"),
             *_for_both(f"a py3-none-{older}_MACHINE"), "a 0.9")
        for newer, older in (
            *(("manylinux2014", "manylinux_2_17"), ("manylinux2014", "manylinux_2_16")),
            *(("manylinux2010", "manylinux_2_12"), ("manylinux2010", "manylinux2014")),
            *(("manylinux1", "manylinux_2_5"), ("manylinux1", "manylinux_2_6"), ("manylinux_2_35", "manylinux_2_34")),
        )
    ),
    need("several platforms in one name", "a",
         *_for_both("a cp312-abi3-manylinux_2_17_MACHINE.manylinux_2_5_MACHINE.linux_MACHINE"),
         *_for_both("a cp312-abi3-manylinux_2_28_MACHINE.linux_MACHINE"), "a 0.9"),
    need("several Pythons in one name", "a", *_for_both(f"a cp38.cp312.cp314-abi3-{_OLD}"), "a 0.9", chosen="a 1.0"),
    need("malformed tag", "a", "a", Offer("a", version="2.0", filename="a-2.0-py36+-none-any.whl"), chosen="a 1.0"),
    need("malformed name", "a", "a", Offer("a", version="2.0", filename="a-2.0-none-any.whl"), chosen="a 1.0"),
    need("malformed version", "a", "a", Offer("a", version="2.0", filename="a-two-py3-none-any.whl"), chosen="a 1.0"),
    need("malformed build", "a", "a", Offer("a", version="2.0", filename="a-2.0-b1-py3-none-any.whl"), chosen="a 1.0"),
    need("egg, exe and signature", "a", "a", *(
        Offer("a", "2.0", None, filename=f"a-2.0{end}")
        for end in ("-py3.13.egg", ".exe", ".whl.asc", ".tar.gz.asc", ".tar.Z", ".rpm")
    ), chosen="a 1.0"),
    need("files of another project on the page", "a", "a",
         Offer("a", version="2.0", filename="b-2.0-py3-none-any.whl"),
         Offer("a", version="3.0", tag=None, filename="b-3.0.tar.gz"), chosen="a 1.0"),
    need("build numbers", "a", "a", Offer("a", build="1"), Offer("a", build="2"), Offer("a", build="10"),
         Offer("a", build="9"), chosen="a 1.0"),
    need("build numbers with text", "a", Offer("a", build="1"), Offer("a", build="1b"), Offer("a", build="1a"),
         Offer("a", build="0z"), chosen="a 1.0"),
    need("build number beside a better tag", "a", Offer("a", tag="py2.py3-none-any", build="5"),
         Offer("a", tag="cp3-none-any", build="1"), "a py3-none-manylinux_2_17_x86_64",
         "a py3-none-manylinux_2_17_aarch64", chosen="a 1.0"),
    need("build number of a yanked file", "a", Offer("a", build="2", entry=(("yanked", "broken"),)),
         Offer("a", build="1"), "a", chosen="a 1.0"),
)  # fmt: skip

CONFLICTS = (
    need("newest parent needs what another forbids", "a & b", "a 2.0 -> c>=2", "a -> c>=1", "b -> c<2", "c 1.0 2.0",
         chosen="a 1.0, b 1.0, c 1.0"),
    need("two can give way", "a & b", "a 2.0 -> c>=2", "a -> c<2", "b 2.0 -> c<2", "b -> c>=2", "c 1.0 2.0"),
    need("two can give way, the other order", "b & a", "a 2.0 -> c>=2", "a -> c<2", "b 2.0 -> c<2", "b -> c>=2",
         "c 1.0 2.0"),
    need("a pin met late", "a & b", "a -> c", "b -> d==1.0", *(f"c {each}.0 -> d=={each}.0" for each in range(1, 6)),
         "d 1.0 2.0 3.0 4.0 5.0", chosen="a 1.0, b 1.0, c 1.0, d 1.0"),
    need("many versions to try", "a & b<35", *(f"a {each}.0 -> b>={each}" for each in range(40)),
         " ".join(["b", *(f"{each}.0" for each in range(40))])),
    need("as boto3 and aiobotocore", "boto & core<20 & aio",
         *(f"boto 1.{each} -> core>=1.{each},<1.{each + 1}" for each in range(30)),
         *(f"aio 2.{each} -> core>=1.{2 * each},<1.{2 * each + 3}" for each in range(14)),
         " ".join(["core", *(f"1.{each}" for each in range(30))])),
    need("a dependency of a version that is given up", "a & b", "a 2.0 -> c & d>=2", "a -> d", "b -> d<2", "c",
         "d 1.0 2.0", chosen="a 1.0, b 1.0, d 1.0"),
    need("a version whose dependency does not exist", "a", "a 2.0 -> b>=5", "a -> b", "b", chosen="a 1.0, b 1.0"),
    need("conflict of an extra", "a[x] & b", "a 2.0 [x] -> c>=2; extra == 'x'", "a [x] -> c; extra == 'x'",
         "b -> c<2", "c 1.0 2.0", chosen="a 1.0, b 1.0, c 1.0"),
    need("conflict behind two steps", "a & b", "a 2.0 -> c", "a", "c -> d>=2", "b -> e", "e -> d<2", "d 1.0 2.0"),
    need("conflict with Requires-Python in METADATA", "a & b",
         Offer("a", version="2.0", requires=("c",), requires_python=">=3.8", on_page=""), "a",
         Offer("c", requires_python=">=3.15", on_page=""), Offer("b", requires_python=">=3.9", on_page=""),
         chosen="a 1.0, b 1.0"),
    need("Requires-Python in METADATA, which drags others along", "a & z",
         Offer("a", "2.0", requires=("c",), requires_python=">=3.8", on_page=""), "a",
         Offer("c", requires_python=">=3.15", on_page=""),
         Offer("z", requires_python=">=3.8", on_page=""), Offer("z", "2.0", requires_python=">=3.8", on_page="")),
    need("Requires-Python in METADATA of a dependency's only version", "z & a", "z 2.0 1.0", "a 2.0 -> b", "a",
         "b 2.0 -> c", Offer("b", "1.0", requires=("c",), requires_python=">=3.9"),
         Offer("c", requires_python=">=3.15", on_page="")),
    need("circle", "a", "a -> b", "b -> c", "c -> a", chosen="a 1.0, b 1.0, c 1.0"),
    need("circle that moves back", "a", "a 2.0 1.0 -> b", "b -> a<2", chosen="a 1.0, b 1.0"),
)  # fmt: skip

SEVERAL_INDEXES = (
    need("newer on the second index", "a", "a", Offer("a", version="2.0", place=1), chosen="a 2.0"),
    need("newer on the first index", "a", "a 2.0", Offer("a", place=1), chosen="a 2.0"),
    need("on the first index only", "a", "a", chosen="a 1.0"),
    need("on the second index only", "a", Offer("a", place=1), chosen="a 1.0"),
    need("the same file on both", "a", "a", Offer("a", place=1), chosen="a 1.0"),
    need("the same version with another tag", "a", "a py2.py3-none-any", Offer("a", place=1), chosen="a 1.0"),
    need("another build on the second", "a", Offer("a", build="2"), Offer("a", build="1", place=1), chosen="a 1.0"),
    need("yanked on one of them", "a", "a 2.0 yanked", Offer("a", version="2.0", place=1), "a", chosen="a 2.0"),
    need("dependency on the other", "a", "a -> b", Offer("b", place=1),
         Offer("b", "2.0", place=1), chosen="a 1.0, b 2.0"),
    need("local version on the second", "a", "a", Offer("a", version="1.0+cpu", place=1), chosen="a 1.0+cpu"),
    need("pre-release on the second", "a", "a", Offer("a", version="2.0rc1", place=1), chosen="a 1.0"),
    need("other requirements on the second", "a", "a -> b", Offer("a", requires=("c",), place=1), "b", "c"),
)  # fmt: skip

OF_TARGETS = (*MARKERS, *PYTHON, *TAGS)
"""What differs between targets."""
OF_ANY_TARGET = (*(*EXTRAS, *VERSIONS, *PRE_RELEASES, *YANKED, *SDISTS, *PREFER_BINARY, *NAMES, *CONSTRAINTS, *PAGES),)

LEFT_TO_PIP = (
    ("in conflict", need("two parents that exclude each other", "a & b", "a -> c<2", "b -> c>=2", "c 1.0 2.0")),
    ("in conflict", need("project that no index has", "a")),
    ("in conflict", need("dependency that no index has", "a", "a -> b")),
    ("in conflict", need("version that does not exist", "a>=2", "a")),
    ("in conflict", need("wheels for others only", "a", "a cp313-cp313-win_amd64")),
    ("in conflict", need("constraint that nothing satisfies", "a", "a", constraints="a<1")),
    ("in conflict", need("everything yanked", "a", "a yanked")),
    ("in conflict", need("everything that a range accepts is yanked", "a<2", "a yanked", "a 2.0")),
    ("a 1.0 was yanked", need("yanked and pinned", "a==1.0", "a yanked", "a 2.0")),
    ("a 1.0 was yanked", need("yanked and pinned by arbitrary equality", "a===1.0", "a yanked", "a 2.0")),
    ("a 1.0 was yanked", need("yanked and pinned by a constraint", "a", "a yanked", "a 2.0", constraints="a==1.0")),
    ("b 1.0 was yanked", need("yanked and pinned by a dependency", "a", "a -> b==1.0", "b yanked", "b 2.0")),
    ("in conflict", need("yanked and pinned by a wildcard", "a==1.*", "a yanked", "a 2.0")),
    ("in conflict", need("another Python, by the page", "a", Offer("a", requires_python="<3"))),
    ("in conflict", need("another Python, by METADATA", "a", Offer("a", requires_python="<3", on_page=""))),
    ("a 1.0 is an sdist", need("sdist only", "a", "a sdist")),
    ("a 1.0 is an sdist", need("sdist only where no wheel is accepted", "a<2", "a sdist", "a 2.0")),
    ("b 1.0 is an sdist", need("sdist of a dependency", "a", "a -> b", "b sdist")),
    ("states no SHA-256", need("no hashes", "a", Offer("a", entry=(("hashes", {}),)))),
    ("states no SHA-256", need("another hash", "a",
         Offer("a", entry=(("hashes", {"sha512": "0" * 128}),)))),
    ("is no valid page", need("hashes missing", "a", Offer("a", entry=(("hashes", None),)))),
    ("ends otherwise", need("name of another file in the URL", "a", Offer("a", entry=(("url", "/files/0/a"),)))),
    ("ends otherwise", need("query of a URL", "a", Offer("a", entry=(("url", "/files/0/{}?download=1"),)))),
    ("ends otherwise", need("fragment that pip reads", "a", Offer("a", entry=(("url", "/files/0/{}#egg=a"),)))),
    ("is a direct reference", need("URL in metadata", "a", "a -> b @ https://files.invalid/b-1.0-py3-none-any.whl",
         "b")),
    ("is a direct reference", need("URL in metadata of an extra", "a[x]",
         "a [x] -> b @ git+https://files.invalid/b ; extra == 'x'", "b")),
    ("is a direct reference", need("URL", "a @ https://files.invalid/a-1.0-py3-none-any.whl")),
    ("may be a file", need("name as of a file", "a.zip", "a.zip")),
    ("has extras", need("constraint with extras", "a", "a", constraints="a[x]<2")),
    ("cannot be evaluated", need("marker that compares text", "a; os_name ~= 'posix'", "a")),
    ("cannot be evaluated", need("marker of metadata that compares text", "a", "a -> b; sys_platform ~= 'linux'")),
    ("are not valid", need("invalid specifier in metadata", "a",
         Offer("a", text="Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Dist: b>=1.x\n"))),
    ("are not valid", need("folded specifier in metadata", "a",
         Offer("a", text="Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Dist: b>=1,\n  <2\n"))),
    ("of another distribution", need("metadata of another project", "a",
         Offer("a", text="Metadata-Version: 2.1\nName: b\nVersion: 1.0\n"))),
    ("of another distribution", need("metadata of another version", "a",
         Offer("a", text="Metadata-Version: 2.1\nName: a\nVersion: 1.1\n"))),
    ("are not valid", need("metadata without a version", "a", Offer("a", text="Metadata-Version: 2.1\nName: a\n"))),
)  # fmt: skip
