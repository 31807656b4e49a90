"""What the standard library lost and gained from Python 3.8 on: modules, and names that code imports from modules.

Each entry is held by a test against the Python that runs it.
"""

from __future__ import annotations

Version = tuple[int, int]


def _each(version: Version, names: str) -> dict[str, Version]:
    return dict.fromkeys(names.split(), version)


# Module -> the first version without it.
GONE: dict[str, Version] = {
    **_each((3, 8), "macpath"),
    **_each((3, 9), "dummy_threading _dummy_threading"),
    **_each((3, 10), "formatter parser symbol"),
    **_each((3, 11), "binhex"),
    **_each((3, 12), "asynchat asyncore distutils imp smtpd"),
    **_each(
        (3, 13),
        "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd "
        "sunau telnetlib uu xdrlib",
    ),
}
# Module -> the first version with it.
NEW: dict[str, Version] = {
    **_each((3, 9), "graphlib zoneinfo"),
    **_each((3, 11), "tomllib wsgiref.types importlib.resources.abc importlib.resources.readers"),
    **_each((3, 14), "annotationlib compression concurrent.interpreters pathlib.types string.templatelib"),
}
_ABCS = (
    "AsyncGenerator AsyncIterable AsyncIterator Awaitable ByteString Callable Collection Container Coroutine Generator "
    "Hashable ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping MutableSequence MutableSet "
    "Reversible Sequence Set Sized ValuesView"
)
# Module -> name -> the first version without it.
NAMES_GONE: dict[str, dict[str, Version]] = {
    "ast": _each((3, 14), "Bytes Ellipsis NameConstant Num Str"),
    "asyncio": _each((3, 11), "coroutine"),
    "base64": _each((3, 9), "decodestring encodestring"),
    "cgi": _each((3, 8), "escape parse_qs parse_qsl"),
    "collections": _each((3, 10), _ABCS),
    "configparser": {**_each((3, 12), "SafeConfigParser"), **_each((3, 13), "LegacyInterpolation")},
    "fractions": _each((3, 9), "gcd"),
    "gettext": _each((3, 11), "bind_textdomain_codeset ldgettext ldngettext lgettext lngettext"),
    "importlib": _each((3, 12), "find_loader"),
    "importlib.abc": {**_each((3, 12), "Finder"), **_each((3, 14), "ResourceReader Traversable TraversableResources")},
    "importlib.util": _each((3, 12), "module_for_loader set_loader set_package"),
    "inspect": _each((3, 11), "formatargspec getargspec"),
    "locale": {**_each((3, 12), "format"), **_each((3, 13), "resetlocale")},
    "pkgutil": {**_each((3, 12), "ImpImporter ImpLoader"), **_each((3, 14), "find_loader get_loader")},
    "platform": _each((3, 8), "dist linux_distribution popen"),
    "re": _each((3, 13), "TEMPLATE template"),
    "ssl": _each((3, 12), "RAND_pseudo_bytes match_hostname wrap_socket"),
    "time": _each((3, 8), "clock"),
    "unittest": _each((3, 13), "findTestCases getTestCaseNames makeSuite"),
    "urllib.request": _each((3, 14), "FancyURLopener URLopener"),
}
# Module -> name -> the first version with it.
NAMES_NEW: dict[str, dict[str, Version]] = {
    "asyncio": {
        **_each((3, 9), "to_thread"),
        **_each((3, 11), "Barrier BrokenBarrierError Runner TaskGroup Timeout timeout timeout_at"),
        **_each((3, 12), "create_eager_task_factory eager_task_factory"),
        **_each((3, 13), "QueueShutDown"),
    },
    "collections.abc": _each((3, 12), "Buffer"),
    "contextlib": {**_each((3, 10), "aclosing"), **_each((3, 11), "chdir")},
    "copy": _each((3, 13), "replace"),
    "dataclasses": _each((3, 10), "KW_ONLY"),
    "datetime": _each((3, 11), "UTC"),
    "enum": _each(
        (3, 11),
        "CONFORM CONTINUOUS EJECT EnumCheck EnumType FlagBoundary KEEP NAMED_FLAGS ReprEnum STRICT StrEnum UNIQUE "
        "global_enum member nonmember property verify",
    ),
    "functools": {**_each((3, 8), "cached_property singledispatchmethod"), **_each((3, 9), "cache")},
    "hashlib": _each((3, 11), "file_digest"),
    "importlib.resources": _each((3, 9), "as_file files"),
    "inspect": {**_each((3, 10), "get_annotations"), **_each((3, 12), "markcoroutinefunction")},
    "itertools": {**_each((3, 10), "pairwise"), **_each((3, 12), "batched")},
    "logging": {**_each((3, 11), "getLevelNamesMapping"), **_each((3, 12), "getHandlerByName getHandlerNames")},
    "math": {
        **_each((3, 9), "lcm nextafter ulp"),
        **_each((3, 11), "cbrt exp2"),
        **_each((3, 12), "sumprod"),
        **_each((3, 13), "fma"),
    },
    "operator": _each((3, 11), "call"),
    "pathlib": _each((3, 13), "UnsupportedOperation"),
    "queue": _each((3, 13), "ShutDown"),
    "random": _each((3, 9), "randbytes"),
    "types": {
        **_each((3, 9), "GenericAlias"),
        **_each((3, 10), "EllipsisType NoneType NotImplementedType UnionType"),
        **_each((3, 12), "get_original_bases"),
        **_each((3, 13), "CapsuleType"),
    },
    "typing": {
        **_each((3, 8), "Final Literal Protocol SupportsIndex TypedDict final get_args get_origin runtime_checkable"),
        **_each((3, 9), "Annotated"),
        **_each((3, 10), "Concatenate ParamSpec ParamSpecArgs ParamSpecKwargs TypeAlias TypeGuard is_typeddict"),
        **_each(
            (3, 11),
            "LiteralString Never NotRequired Required Self TypeVarTuple Unpack assert_never assert_type clear_overloads "
            "dataclass_transform get_overloads reveal_type",
        ),
        **_each((3, 12), "TypeAliasType override"),
        **_each((3, 13), "NoDefault ReadOnly TypeIs get_protocol_members is_protocol"),
        **_each((3, 14), "evaluate_forward_ref"),
    },
    "warnings": _each((3, 13), "deprecated"),
}
# First names of modules about which anything is said here.
CONCERNED = frozenset(name.partition(".")[0] for table in (GONE, NEW, NAMES_GONE, NAMES_NEW) for name in table)
# What puts a removed module back, by the distribution's name; setuptools brings its own distutils along.
BACKPORTS = {
    "asynchat": {"pyasynchat", "standard-asynchat"},
    "asyncore": {"pyasyncore", "standard-asyncore"},
    "audioop": {"audioop-lts"},
    "cgi": {"legacy-cgi", "standard-cgi"},
    "cgitb": {"legacy-cgi", "standard-cgitb"},
    "crypt": {"legacycrypt"},
    "distutils": {"setuptools"},
    "imp": {"zombie-imp"},
    "lib2to3": {"fissix"},
}
