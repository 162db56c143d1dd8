"""The shared libraries of the runtimes: sonames, and the newest symbol versions.

The tables are data with their sources. They list what every release of a runtime has had: AWS only moves its systems
forward, and libraries or versions that were added later are not relied on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.common.target import Target

# Who has them: https://github.com/mayeut/pep600_compliance, cache/{x86_64,aarch64}/amazonlinux-{2,2023}.json (made of
# the images; x86_64 of 2023 as it was at its launch, with GCC 11). The python images are built on the same systems.
# Amazon Linux 2: libstdc++ 6.0.24, confirmed for Lambda in aws/aws-lambda-base-images#87.
_NEWEST_VERSIONS: dict[str, dict[str, str]] = {
    "Amazon Linux 2": {"GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0", "ZLIB": "1.2.5.2"},
    "Amazon Linux 2023": {"GLIBCXX": "3.4.29", "CXXABI": "1.3.13", "GCC": "7.0.0", "ZLIB": "1.2.9"},
}

SEARCHED = re.compile(r"(?:lib/)?[^/]+\.so(?:\.\d+)*")
"""The paths in a function's zip where the loader finds libraries by their file names.

LD_LIBRARY_PATH ends with `/var/task:/var/task/lib:/opt/lib`
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
"""

# The sonames below /lib64, which LD_LIBRARY_PATH names (Dockerfile.python3.* in aws/aws-lambda-base-images).
# Amazon Linux 2: https://github.com/brefphp/aws-lambda-layers/blob/9b32a3ae3ae1a3501ed43e079245ca30cfa9144c/utils/lib-check/al2-x64.txt
#   and expat, whose package the images have (aws/aws-lambda-base-images#592)
# Amazon Linux 2023: https://github.com/brefphp/aws-lambda-layers/blob/6a93a56185b1766c0c3189ee11b85847c52ccc00/utils/lib-copy/libs-arm.txt
#   and libs-x86.txt next to it: what both have
_GLIBC = """
    libBrokenLocale.so.1 libSegFault.so libanl.so.1 libc.so.6 libdl.so.2 libm.so.6 libnss_compat.so.2 libnss_dns.so.2
    libnss_files.so.2 libpthread.so.0 libresolv.so.2 librt.so.1 libthread_db.so.1 libutil.so.1
"""
_BOTH_SYSTEMS = """
    libacl.so.1 libattr.so.1 libbz2.so.1 libcap.so.2 libcom_err.so.2 libcurl.so.4 libform.so.6 libformw.so.6
    libgcc_s.so.1 libgmp.so.10 libgssapi_krb5.so.2 libgssrpc.so.4 libidn2.so.0 libk5crypto.so.3 libkeyutils.so.1
    libkrad.so.0 libkrb5.so.3 libkrb5support.so.0 liblzma.so.5 libmenu.so.6 libmenuw.so.6 libncurses.so.6
    libncursesw.so.6 libnghttp2.so.14 libp11-kit.so.0 libpanel.so.6 libpanelw.so.6 libpopt.so.0 libselinux.so.1
    libsqlite3.so.0 libstdc++.so.6 libtasn1.so.6 libtic.so.6 libtinfo.so.6 libuuid.so.1 libverto.so.1 libxml2.so.2
    libz.so.1
"""
_SYSTEMS: dict[str, str] = {
    "Amazon Linux 2": """
    libcidn.so.1 libcrypt.so.1 libcrypto.so.10 libdb-5.3.so libelf.so.1 libexpat.so.1 libffi.so.6 libfreebl3.so
    libgmpxx.so.4 libhistory.so.6 libicudata.so.50 libicui18n.so.50 libicuio.so.50 libicule.so.50 libiculx.so.50
    libicutu.so.50 libicuuc.so.50 libkdb5.so.8 liblber-2.4.so.2 libldap-2.4.so.2 libldap_r-2.4.so.2 liblua-5.1.so
    libnsl.so.1 libnspr4.so libnss3.so libnssutil3.so libpcre.so.1 libpcre16.so.0 libpcre32.so.0 libpcrecpp.so.0
    libpcreposix.so.0 libplc4.so libplds4.so libreadline.so.6 librpm.so.3 librpmio.so.3 libsasl2.so.3 libsepol.so.1
    libslapi-2.4.so.2 libsmime3.so libsoftokn3.so libssh2.so.1 libssl.so.10 libssl3.so libunistring.so.0
""",
    "Amazon Linux 2023": """
    libarchive.so.13 libassuan.so.0 libaudit.so.1 libauparse.so.0 libblkid.so.1 libc_malloc_debug.so.0 libcap-ng.so.0
    libcrypto.so.3 libdnf.so.2 libffi.so.8 libgcrypt.so.20 libgio-2.0.so.0 libgirepository-1.0.so.1 libglib-2.0.so.0
    libgmodule-2.0.so.0 libgobject-2.0.so.0 libgpg-error.so.0 libgpgme.so.11 libgthread-2.0.so.0 libhistory.so.8
    libjson-c.so.5 libkdb5.so.10 liblua-5.4.so liblz4.so.1 libmagic.so.1 libmodulemd.so.2 libmount.so.1 libmpfr.so.6
    libnpth.so.0 libpcre2-8.so.0 libpcre2-posix.so.3 libpeas-1.0.so.0 libpsx.so.2 libreadline.so.8 librepo.so.0
    librpm.so.9 librpmio.so.9 libsepol.so.2 libsigsegv.so.2 libsmartcols.so.1 libsolv.so.1 libsolvext.so.1 libssl.so.3
    libunistring.so.2 libyaml-0.so.2 libzstd.so.1
""",
}
# The vector versions of libm came to aarch64 with glibc 2.38.
_MACHINES: dict[str, str] = {
    "x86_64": "ld-linux-x86-64.so.2 libmvec.so.1",
    "aarch64": "ld-linux-aarch64.so.1",
}

# Where the ABIs of the two processors have glibc's loader; /lib and /lib64 are links into /usr on both systems.
_LOADERS: dict[str, frozenset[str]] = {
    "x86_64": frozenset({"/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2"}),
    "aarch64": frozenset({"/lib/ld-linux-aarch64.so.1", "/usr/lib/ld-linux-aarch64.so.1"}),
}


def libraries(target: Target) -> frozenset[str]:
    """The sonames that the runtime's loader finds without the bundle's help."""
    major, minor = target.runtime.python
    # /var/lang/lib, the first folder of LD_LIBRARY_PATH
    pythons = {f"libpython{major}.{minor}.so.1.0", f"libpython{major}.so"}
    tables = (_GLIBC, _BOTH_SYSTEMS, _SYSTEMS[target.runtime.system], _MACHINES[target.architecture.machine])
    return frozenset(pythons.union(*(table.split() for table in tables)))


def newest_versions(target: Target) -> Mapping[str, str]:
    """The newest version of each kind of symbol (`GLIBCXX`, …) that the runtime's libraries have, but for glibc's."""
    return _NEWEST_VERSIONS[target.runtime.system]


def loaders(target: Target) -> frozenset[str]:
    """The paths at which an executable may name its loader."""
    return _LOADERS[target.architecture.machine]
