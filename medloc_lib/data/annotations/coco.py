"""COCO JSON, in and out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medloc_lib.data.annotations.entries import COCO, Entry, Ledger, OnBad, Source, picture_folders, read_text, to_float
from medloc_lib.data.images import stem
from medloc_lib.data.lazy import LazySamples, Record, read_record
from medloc_lib.data.writing import whole
from medloc_lib.errors import InputError, ReadError
from medloc_lib.geometry import boxes_to_coco
from medloc_lib.sample import Array, Detections, Sample


def read_coco(
    json_path: Source, images: Source | None = None, *, group_by: str | None = None, on_bad: OnBad = "raise"
) -> LazySamples[Record]:
    """Samples of a COCO detection file. Classes are its categories, in the file's order; ``iscrowd`` becomes `ignore`.

    Categories of the same name are one class.

    Parameters
    ----------
    json_path : file with the lists "images", "annotations" and "categories".
    images : folder of the pictures; by default ``images``, ``JPEGImages`` or the JSON's own folder.
    group_by : key of an image entry that names the patient; by default "group", if there is one.
    on_bad : what becomes of bad entries; see `medloc_lib.data.annotations`.

    Raises
    ------
    ReadError
        If the file is not COCO JSON, or under "raise" if an entry is bad.
    InputError
        If `group_by` is no key of an image entry.

    References
    ----------
    T.-Y. Lin et al., "Microsoft COCO: Common objects in context", ECCV 2014; https://cocodataset.org/#format-data
    """
    path = Path(json_path)
    ledger = Ledger(path, on_bad)
    data = load_coco(path)
    categories = _by_id(path, data, "categories")
    names = {key: str(item.get("name", key)) for key, item in categories.items()}
    classes = tuple(dict.fromkeys(names.values()))
    listed = _by_id(path, data, "images")
    column = group_by or "group"
    if group_by and not any(group_by in item for item in listed.values()):
        raise InputError(f"{path}: no image entry has the key {group_by!r} to group by")
    boxes_of: dict[Any, list[Entry]] = defaultdict(list)
    for n, item in enumerate(data["annotations"]):
        where = f"annotation {item['id']}" if "id" in item else f"annotations[{n}]"
        image = item.get("image_id")
        if not isinstance(image, (int, float, str)) or image not in listed:
            ledger.fault(f"{where}: its image_id {image!r} is not in the list of images")
            continue
        boxes_of[image].append(_entry(item, where, names))
    folders = picture_folders(path, images)
    records = []
    for key, item in listed.items():
        said = to_float(item.get("height")), to_float(item.get("width"))
        found = ledger.picture(f"image {key}", str(item.get("file_name", "")), folders, said)
        if found is None:
            continue
        picture, shape = found
        looked = item.get("annotated", True) is not False
        truth = ledger.boxes(boxes_of[key], COCO, shape, classes) if looked else None
        group = str(item[column]) if item.get(column) is not None else ""
        inside = picture.relative_to(next(folder for folder in folders if picture.is_relative_to(folder)))
        identity = inside.with_name(stem(inside)).as_posix()
        records.append(Record(picture, identity, group, truth, classes))
    ledger.close()
    return LazySamples(records, read_record)


def write_coco(path: Source, samples: Sequence[Sample], detections: Sequence[Detections] | None = None) -> None:
    """Write the boxes of 2-D samples as a COCO file; it takes the place of an older one only when it is complete.

    Parameters
    ----------
    path : the JSON file.
    samples : their `ignore` is written as ``iscrowd``, `group` as ``group``; a sample whose boxes are None is listed
        with ``"annotated": false``, which `read_coco` understands. Pictures are not written; their names are those of
        ``meta["file"]``, else made from `id`.
    detections : one for each sample; then the annotations are these, with their ``score``, in place of the truth.

    Raises
    ------
    InputError
        If a sample is 3-D, samples disagree about their classes, lengths differ, or the file cannot be written.
    """
    if detections is not None and len(detections) != len(samples):
        raise InputError(f"{len(samples)} samples need as many detections; got {len(detections)}")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    files: list[str] = []
    classes: tuple[str, ...] = ()
    for i, sample in enumerate(samples):
        if sample.ndim != 2:
            raise InputError(f"COCO holds 2-D boxes; sample {sample.id!r} has {sample.ndim} axes")
        if i and sample.classes != classes:
            raise InputError(
                f"all samples need the same classes; got {classes} and, in {sample.id!r}, {sample.classes}"
            )
        classes = sample.classes
        rows, cols = sample.shape
        image: dict[str, Any] = {"id": i + 1, "file_name": "", "height": rows, "width": cols}
        image |= {"group": sample.group} if sample.group else {}
        image |= {"annotated": False} if sample.boxes is None and detections is None else {}
        images.append(image)
        files.append(str(sample.meta.get("file") or f"{sample.id or i + 1}.png"))
        items = _truth(sample) if detections is None else _found(detections[i])
        annotations += [{"id": 0, "image_id": i + 1, **item} for item in items]
    for number, item in enumerate(annotations, start=1):
        item["id"] = number
    for image, name in zip(images, _short(files), strict=True):
        image["file_name"] = name
    named = max([len(classes), *(item["category_id"] for item in annotations)])
    names = [*classes, *(f"class {k}" for k in range(len(classes), named))]
    categories = [{"id": k, "name": name} for k, name in enumerate(names, start=1)]
    text = json.dumps({"images": images, "annotations": annotations, "categories": categories}, allow_nan=False)
    with whole(Path(path)) as part:
        part.write_text(text, encoding="utf-8")


def load_coco(path: Path) -> dict[str, Any]:
    """The parsed file, with its three lists of entries checked to be that."""
    text = read_text(path)
    try:
        data = json.loads(text)
    except ValueError as error:  # JSONDecodeError names line and column
        raise ReadError(path, f"is not JSON: {error}") from error
    except RecursionError as error:
        raise ReadError(path, "is nested too deeply for a COCO file") from error
    for key in ("images", "annotations", "categories"):
        part = data.get(key) if isinstance(data, dict) else None
        if not isinstance(part, list) or not all(isinstance(item, dict) for item in part):
            raise ReadError(path, f'is not COCO: needed an object with a list of entries "{key}"')
    checked: dict[str, Any] = data
    return checked


def _by_id(path: Path, data: dict[str, Any], key: str) -> dict[Any, dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for n, item in enumerate(data[key]):
        number = item.get("id")
        if not isinstance(number, (int, float, str)) or number in found:
            what = "has no id" if number is None else f"has an id that is used twice or is no number: {number!r}"
            raise ReadError(path, f"is not COCO: {key}[{n}] {what}")
        found[number] = item
    return found


def _entry(item: dict[str, Any], where: str, names: dict[Any, str]) -> Entry:
    box = item.get("bbox")
    fault = ""
    if not isinstance(box, list) or len(box) != 4:
        box, fault = [0.0] * 4, f"its bbox must be [x, y, width, height]; got {str(item.get('bbox'))[:60]}"
    category = item.get("category_id")
    known = isinstance(category, (int, float, str)) and category in names
    kind = names[category] if known else f"category_id {category!r}"
    return Entry(where, tuple(to_float(x) for x in box), kind, bool(item.get("iscrowd", 0)), fault)


def _truth(sample: Sample) -> list[dict[str, Any]]:
    if sample.boxes is None or sample.labels is None or sample.ignore is None:
        return []
    items = _items(sample.boxes, sample.labels)
    return [{**item, "iscrowd": int(ignore)} for item, ignore in zip(items, sample.ignore, strict=True)]


def _found(detections: Detections) -> list[dict[str, Any]]:
    if detections.scores is None or detections.labels is None:
        return []
    items = _items(detections.boxes, detections.labels)
    return [{**item, "iscrowd": 0, "score": float(x)} for item, x in zip(items, detections.scores, strict=True)]


def _items(boxes: Array, labels: Array) -> list[dict[str, Any]]:
    return [
        {"category_id": int(label) + 1, "bbox": box, "area": box[2] * box[3]}
        for box, label in zip(boxes_to_coco(boxes).tolist(), labels, strict=True)
    ]


def _short(files: list[str]) -> list[str]:
    """Names below the folder that all files share, with ``/``; no path of this machine is written."""
    parts = [Path(name).parts for name in files]
    shared = 0
    while parts and all(len(p) > shared + 1 and p[shared] == parts[0][shared] for p in parts):
        shared += 1
    names = [Path(*p[shared:]) for p in parts]
    return [(Path(name.name) if name.is_absolute() else name).as_posix() for name in names]
