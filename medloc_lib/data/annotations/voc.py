"""Pascal VOC XML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from xml.parsers import expat

from medloc_lib.data.annotations.entries import FALSE, VOC, Entry, Ledger, OnBad, Source, picture_folders, to_float
from medloc_lib.data.images import PILLOW, find_image
from medloc_lib.data.lazy import LazySamples, Record, read_record, unmentioned
from medloc_lib.errors import InputError, ReadError

CORNERS = ("xmin", "ymin", "xmax", "ymax")
DEEPEST = 32


def read_voc(
    annotations: Source | Sequence[Source],
    images: Source | None = None,
    *,
    classes: Sequence[str] | None = None,
    group_by: str | None = None,
    on_bad: OnBad = "raise",
) -> LazySamples[Record]:
    """Samples of Pascal VOC annotations, one XML per picture; ``difficult`` becomes `ignore`.

    Parameters
    ----------
    annotations : a folder of XML files, one file, or several files.
    images : folder of the pictures; by default ``images`` or ``JPEGImages`` in or beside the folder of XML files, or
        that folder itself. Its pictures that have no XML come last, with boxes None.
    classes : names in the order of the labels; any other is unknown, and bad. By default all names found, sorted.
    group_by : element directly below ``<annotation>`` that names the patient.
    on_bad : what becomes of bad entries; see `medloc_lib.data.annotations`. Equal corners are no area: writers of this
        format leave them where a click drew nothing.

    Raises
    ------
    ReadError
        If a file is not VOC XML, or under "raise" if an entry is bad.
    InputError
        If no XML has the element `group_by`.

    References
    ----------
    M. Everingham et al., "The Pascal Visual Object Classes (VOC) challenge", Int. J. Comput. Vision 88 (2010).
    """
    if isinstance(annotations, str | PathLike):
        paths = xml_files(Path(annotations))
    else:
        paths = [Path(path) for path in annotations]
    if not paths:
        raise InputError("needed at least one XML file; got none")
    folders = picture_folders(paths[0].parent, images)
    records = voc_records(paths, folders, classes=classes, group_by=group_by, on_bad=on_bad)
    names = records[0].classes if records else tuple(classes or ())
    return LazySamples(records + unmentioned(records, names), read_record)


def xml_files(path: Path) -> list[Path]:
    """The XML file, or those directly in the folder."""
    if path.is_file():
        return [path]
    found = sorted(path.glob("*.xml")) if path.is_dir() else []
    if not found:
        raise ReadError(path, "there is no such file, and no folder with XML files")
    return found


def voc_records(
    paths: Iterable[Path],
    folders: Sequence[Path],
    *,
    classes: Sequence[str] | None = None,
    group_by: str | None = None,
    on_bad: OnBad = "raise",
    known_bad: Iterable[tuple[str, tuple[float, ...]]] = (),
) -> list[Record]:
    """One record per XML file. `known_bad`: (file name, the numbers as written) of boxes left out without a word."""
    files = [(path, parse(path)) for path in paths]
    ledger = Ledger(files[0][0].parent if len(files) > 1 else files[0][0], on_bad)
    if group_by and not any(tree.text_of(group_by) for _, tree in files):
        raise InputError(f"no XML file has an element <{group_by}> directly below <annotation> to group by")
    kinds = {node.text_of("name") for _, tree in files for node in tree.all("object")}
    names = tuple(classes) if classes is not None else tuple(sorted(kinds - {""}))
    left_out = set(known_bad)
    records = []
    for path, tree in files:
        said = to_float(tree.text_of("size", "height")), to_float(tree.text_of("size", "width"))
        found = ledger.picture(path.name, _name(path, tree, folders), folders, said)
        if found is None:
            continue
        picture, shape = found
        entries = [_entry(path, node) for node in tree.all("object")]
        entries = [e for e in entries if (path.name, e.numbers) not in left_out]
        truth = ledger.boxes(entries, VOC, shape, names)
        group = tree.text_of(group_by) if group_by else ""
        records.append(Record(picture, path.stem, group, truth, names))
    ledger.close()
    return records


@dataclass
class Node:
    """An XML element: its name, the line it starts on, its text, and the elements in it."""

    tag: str
    line: int
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, tag: str) -> list[Node]:
        return [child for child in self.children if child.tag == tag]

    def text_of(self, *tags: str) -> str:
        """Text of the first element along these names, or an empty text."""
        node: Node | None = self
        for tag in tags:
            node = next(iter(node.all(tag)), None) if node else None
        return node.text.strip() if node else ""


def parse(path: Path) -> Node:
    """The ``<annotation>`` of a file. Entities are refused: VOC has none, and they are how XML is made to do harm.

    Raises
    ------
    ReadError
        If the file is missing, is no XML, declares entities, or is not an annotation.
    """
    if path.is_fifo():  # reading would wait for ever
        raise ReadError(path, "is a pipe, not a file")
    root = Node("", 0)
    stack = [root]
    parser = expat.ParserCreate()

    def start(tag: str, _: dict[str, str]) -> None:
        if len(stack) > DEEPEST:
            raise ReadError(path, f"line {parser.CurrentLineNumber}: is nested too deeply for VOC")
        node = Node(tag, parser.CurrentLineNumber)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    def refuse(*_: object) -> None:
        raise ReadError(path, f"line {parser.CurrentLineNumber}: declares an XML entity, which VOC has no use for")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        raise ReadError(path, f"cannot be read: {error.strerror}") from error
    except expat.ExpatError as error:
        raise ReadError(path, f"line {error.lineno}: is not XML: {expat.ErrorString(error.code)}") from error
    except (LookupError, ValueError) as error:  # an encoding that does not exist, or is not what it says
        raise ReadError(path, f"is not XML: {error}") from error
    top = root.children[0]
    if top.tag != "annotation":
        raise ReadError(path, f"line {top.line}: is not VOC: needed <annotation>, got <{top.tag[:40]}>")
    return top


def _entry(path: Path, node: Node) -> Entry:
    numbers = tuple(to_float(node.text_of("bndbox", corner)) for corner in CORNERS)
    missing = [corner for corner in CORNERS if not node.text_of("bndbox", corner)]
    name = node.text_of("name")
    fault = f"<object> has no <bndbox> with {', '.join(missing)}" if missing else ""
    if not fault and any(math.isnan(x) for x in numbers):
        written = ", ".join(node.text_of("bndbox", corner)[:20] for corner in CORNERS)
        fault = f"box ({written}) of {name!r} holds NaN or no number"
    difficult = node.text_of("difficult").lower() not in FALSE
    return Entry(f"{path.name} line {node.line}", numbers, name, difficult, fault)


def _name(path: Path, tree: Node, folders: Sequence[Path]) -> str:
    """What the XML calls its picture; if that is not there, a picture with the name of the XML file; else the first."""
    named = tree.text_of("filename") or f"{path.stem}.png"
    names = (named, *(path.stem + suffix for suffix in PILLOW))
    return next((name for name in names if find_image(name, folders)), named)
