"""Readers of boxes, and the COCO writer: right boxes, and bad ones named and handled as asked."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from faster_coco_eval import COCO
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medloc_lib.data.annotations import read_coco, read_csv, read_folder, read_masks, read_voc, write_coco
from medloc_lib.errors import InputError, MedlocError, MedlocWarning, ReadError
from medloc_lib.sample import Detections, Sample

ROWS, COLS = 40, 60

# One box in the three conventions: rows 5 to 15, columns 10 to 30, as x, y, w, h; as VOC's indices from 1; as text.
HALF_OPEN = [5, 10, 15, 30]
AS_COCO = [10, 5, 20, 10]
AS_VOC = [11, 6, 30, 15]

# What cannot be right, as (row0, col0, row1, col1), and what the message says of it.
BAD = {
    "outside": ([5, 70, 15, 80], "lies outside"),
    "partly": ([-3, 10, 15, 30], "reaches outside"),
    "flat": ([5, 10, 5, 30], "no area"),
    "reversed": ([15, 10, 5, 30], "no area"),
    "nan": ([5, float("nan"), 15, 30], "NaN"),
    "huge": ([5, 10, 15, 1e300], "reaches outside"),
}


def picture(path: Path, *, shape: tuple[int, ...] = (ROWS, COLS, 3), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)
    return path


def coco(folder: Path, boxes: list[dict], images: tuple[str, ...] = ("a.png",), **more) -> Path:
    """A COCO file whose boxes are given half-open."""
    for name in images:
        picture(folder / name)
    listed = [{"id": i, "file_name": name, "height": ROWS, "width": COLS} for i, name in enumerate(images)]
    entries = []
    for number, item in enumerate(boxes):
        row0, col0, row1, col1 = item.pop("box")
        box = [col0, row0, col1 - col0, row1 - row0]
        entries.append({"id": 100 + number, "image_id": 0, "category_id": 7, "bbox": box} | item)
    kinds = [{"id": 7, "name": "lesion"}, {"id": 3, "name": "cyst"}]
    path = folder / "boxes.json"
    path.write_text(json.dumps({"images": listed, "annotations": entries, "categories": kinds} | more))
    return path


def voc(folder: Path, objects: list[tuple], *, name: str = "a", size: tuple[int, int] = (ROWS, COLS)) -> Path:
    """A VOC file with one object a line from line 4 on; objects are (class, half-open box, difficult)."""
    picture(folder / f"{name}.png")
    lines = ["<annotation>", f"<filename>{name}.png</filename>"]
    lines.append(f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>")
    for kind, (row0, col0, row1, col1), difficult in objects:
        corners = {"xmin": col0 + 1, "ymin": row0 + 1, "xmax": col1, "ymax": row1}
        box = "".join(f"<{key}>{value}</{key}>" for key, value in corners.items())
        lines.append(f"<object><name>{kind}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>")
    path = folder / f"{name}.xml"
    path.write_text("\n".join([*lines, "</annotation>"]))
    return path


def table(folder: Path, lines: list[str], header: str = "file,label,row0,col0,row1,col1,ignore,group") -> Path:
    picture(folder / "a.png")
    path = folder / "boxes.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def two_boxes(kind: str, folder: Path, box: list[float]):
    """A good box and `box` in one annotation file of a kind; its reader, the file, and where the second stands."""
    if kind == "coco":
        return read_coco, coco(folder, [{"box": HALF_OPEN}, {"box": box}]), "annotation 101"
    if kind == "voc":
        return read_voc, voc(folder, [("lesion", HALF_OPEN, 0), ("lesion", box, 0)]), "a.xml line 5"
    lines = [f"a.png,lesion,{','.join(map(str, b))}" for b in (HALF_OPEN, box)]
    return read_csv, table(folder, lines), "line 3"


@pytest.mark.parametrize("kind", ["coco", "voc", "csv"])
class TestBoxes:
    def test_a_box_in_each_convention(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, [0, 0, ROWS, COLS])
        (sample,) = read(path)
        np.testing.assert_array_equal(sample.boxes, [HALF_OPEN, [0, 0, ROWS, COLS]])
        assert sample.classes[sample.labels[0]] == "lesion"
        assert sample.shape == (ROWS, COLS) and sample.channels == ("R", "G", "B") and sample.id == "a"
        expected = np.moveaxis(np.asarray(Image.open(tmp_path / "a.png")), -1, 0)
        np.testing.assert_array_equal(sample.image, expected)

    @pytest.mark.parametrize("bad", BAD)
    def test_raise_names_file_place_and_box(self, tmp_path, kind, bad):
        box, says = BAD[bad]
        read, path, where = two_boxes(kind, tmp_path, box)
        with pytest.raises(ReadError, match=says) as caught:
            read(path)
        assert where in str(caught.value) and path.name.split(".")[0] in str(caught.value)
        assert "1 bad entry" in str(caught.value)

    @pytest.mark.parametrize("bad", BAD)
    def test_drop_leaves_it_out_and_counts_once(self, tmp_path, kind, bad):
        box, says = BAD[bad]
        read, path, where = two_boxes(kind, tmp_path, box)
        with pytest.warns(MedlocWarning, match=f"1 dropped.*{says}") as caught:
            (sample,) = read(path, on_bad="drop")
        assert len(caught) == 1 and where in str(caught[0].message)
        np.testing.assert_array_equal(sample.boxes, [HALF_OPEN])

    @pytest.mark.parametrize("bad", BAD)
    def test_clip_cuts_what_it_can(self, tmp_path, kind, bad):
        box, says = BAD[bad]
        read, path, _ = two_boxes(kind, tmp_path, box)
        cut = {"partly": [0, 10, 15, 30], "huge": [5, 10, 15, COLS]}.get(bad)
        with pytest.warns(MedlocWarning, match="1 cut to their image" if cut else f"1 dropped.*{says}"):
            (sample,) = read(path, on_bad="clip")
        np.testing.assert_array_equal(sample.boxes, [HALF_OPEN, *([cut] if cut else [])])

    def test_rounding_is_not_bad(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, [0, 0, ROWS + 0.004, COLS])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (sample,) = read(path)
        np.testing.assert_array_equal(sample.boxes[1], [0, 0, ROWS, COLS])

    def test_on_bad_is_checked(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, HALF_OPEN)
        with pytest.raises(InputError, match="on_bad"):
            read(path, on_bad="ignore")

    def test_missing_picture(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, HALF_OPEN)
        (tmp_path / "a.png").unlink()
        with pytest.raises(ReadError, match=r"'a.png' is not in .*images=FOLDER"):
            read(path)
        with pytest.warns(MedlocWarning, match="1 dropped"):
            assert len(read(path, on_bad="drop")) == 0

    def test_a_name_longer_than_any_file_has(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, HALF_OPEN)
        path.write_text(path.read_text().replace("a.png", "x" * 5000 + ".png"))
        if kind == "voc":  # where a picture with the name of the XML file would do
            (tmp_path / "a.png").unlink()
        with pytest.raises(ReadError, match="is not in"):
            read(path)

    def test_a_picture_that_is_text(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, HALF_OPEN)
        (tmp_path / "a.png").write_text("not a picture")
        with pytest.raises(ReadError, match=r"a\.png: is no picture"):
            read(path)

    def test_pictures_elsewhere(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, HALF_OPEN)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (tmp_path / "a.png").rename(elsewhere / "a.png")
        assert read(path, images=elsewhere)[0].meta["file"] == str(elsewhere / "a.png")
        with pytest.raises(ReadError, match="no such folder"):
            read(path, images=tmp_path / "nowhere")

    def test_no_such_file(self, tmp_path, kind):
        read, path, _ = two_boxes(kind, tmp_path, HALF_OPEN)
        path.unlink()
        with pytest.raises(ReadError, match=path.name):
            read(path)


@pytest.mark.parametrize("kind", ["coco", "voc", "csv"])
def test_a_picture_named_twice_in_two_ways_is_one_sample_or_refused(tmp_path, kind):
    if kind == "coco":
        read, source, where = read_coco, coco(tmp_path, [], images=("a.png", "./a.png")), "image 1"
    elif kind == "voc":
        read, source, where = read_voc, tmp_path, r"b\.xml"
        path = voc(tmp_path, [("lesion", HALF_OPEN, 0)])
        (tmp_path / "b.xml").write_text(path.read_text())
    else:
        lines = [f"{name},lesion,5,10,15,30" for name in ("a.png", "a.png", "./a.png")]
        read, source, where = read_csv, table(tmp_path, lines), "line 4"
    with pytest.raises(ReadError, match=rf"1 bad entry: {where}: '(\./)?a\.png' is the picture of .* again"):
        read(source)
    with pytest.warns(MedlocWarning, match="1 dropped"):
        assert len(read(source, on_bad="drop")) == 1


class TestCoco:
    def test_categories_of_one_name_are_one_class(self, tmp_path):
        kinds = [{"id": k, "name": name} for k, name in ((7, "lesion"), (3, "cyst"), (8, "lesion"))]
        boxes = [{"box": HALF_OPEN, "category_id": k} for k in (3, 7, 8)]
        (sample,) = read_coco(coco(tmp_path, boxes, categories=kinds))
        assert sample.classes == ("lesion", "cyst") and sample.labels.tolist() == [1, 0, 0]

    def test_crowd_is_ignored_and_classes_are_categories(self, tmp_path):
        path = coco(tmp_path, [{"box": HALF_OPEN, "iscrowd": 1}, {"box": HALF_OPEN, "category_id": 3}])
        (sample,) = read_coco(path)
        assert sample.classes == ("lesion", "cyst")
        assert sample.ignore.tolist() == [True, False] and sample.labels.tolist() == [0, 1]

    def test_a_listed_picture_without_boxes_was_looked_at(self, tmp_path):
        path = coco(tmp_path, [{"box": HALF_OPEN}], images=("a.png", "b.png"))
        picture(tmp_path / "not_listed.png")
        first, second = read_coco(path)
        assert len(first.boxes) == 1 and len(second.boxes) == 0

    @pytest.mark.parametrize(
        ("item", "says"),
        [
            ({"category_id": 99}, "unknown class.*known: lesion, cyst"),
            ({"image_id": 99}, "image_id 99 is not in the list"),
            ({"image_id": [0]}, "image_id"),
            ({"bbox": [1, 2, 3]}, r"\[x, y, width, height\]"),
            ({"bbox": None}, "bbox"),
            ({"bbox": ["one", 2, 3, 4]}, "NaN"),
        ],
    )
    def test_bad_entries(self, tmp_path, item, says):
        path = coco(tmp_path, [{"box": HALF_OPEN}, {"box": HALF_OPEN} | item])
        with pytest.raises(ReadError, match=rf"boxes\.json: 1 bad entry: annotation 101.*{says}"):
            read_coco(path)
        with pytest.warns(MedlocWarning, match="1 dropped"):
            assert len(read_coco(path, on_bad="drop")[0].boxes) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no json",
            "[]",
            "7",
            '{"images": []}',
            '{"images": 1, "annotations": [], "categories": []}',
            '{"images": [1], "annotations": [], "categories": []}',
            '{"images": [{}], "annotations": [], "categories": []}',
            '{"images": [], "annotations": [], "categories": [{"id": 1}, {"id": 1}]}',
            '{"images": [], "annotations": [], "categories": [{"id": ' + "9" * 5000 + "}]}",
            "[" * 100_000,
        ],
    )
    def test_what_is_not_coco(self, tmp_path, text):
        path = tmp_path / "boxes.json"
        path.write_text(text)
        with pytest.raises(ReadError, match=r"boxes\.json: is not|nested"):
            read_coco(path)

    def test_binary(self, tmp_path):
        path = tmp_path / "boxes.json"
        path.write_bytes(bytes(range(256)))
        with pytest.raises(ReadError, match="UTF-8"):
            read_coco(path)

    def test_another_size_than_the_json_says(self, tmp_path):
        path = coco(tmp_path, [{"box": HALF_OPEN}])
        picture(tmp_path / "a.png", shape=(80, 120, 3))
        with pytest.raises(ReadError, match=r"80×120.*40×60"):
            read_coco(path)

    def test_names_that_lead_out_of_the_folder_are_not_followed(self, tmp_path):
        picture(tmp_path / "secret.png")
        inside = tmp_path / "inside"
        for name in ("../secret.png", str(tmp_path / "secret.png"), "C:\\x\\secret.png"):
            path = coco(inside, [], images=("a.png",), images_=0)
            data = json.loads(path.read_text())
            data["images"][0]["file_name"] = name
            path.write_text(json.dumps(data))
            with pytest.raises(ReadError, match="is not in"):
                read_coco(path)
            picture(inside / "secret.png")
            assert read_coco(path)[0].meta["file"] == str(inside / "secret.png")
            (inside / "secret.png").unlink()

    def test_groups(self, tmp_path):
        path = coco(tmp_path, [], images=("a.png", "b.png"))
        data = json.loads(path.read_text())
        for image, patient in zip(data["images"], ("p1", None), strict=True):
            image["patient"] = patient
        path.write_text(json.dumps(data))
        assert [s.group for s in read_coco(path, group_by="patient")] == ["p1", ""]
        with pytest.raises(InputError, match="nobody"):
            read_coco(path, group_by="nobody")


class TestWriteCoco:
    @staticmethod
    def samples() -> list[Sample]:
        image = np.zeros((1, ROWS, COLS), dtype=np.uint8)
        kinds = ("lesion", "cyst")
        return [
            Sample(
                image, boxes=[HALF_OPEN, [0, 0, 1.5, 2.5]], labels=[1, 0], ignore=[True, False], classes=kinds, id="a"
            ),
            Sample(image, boxes=[], classes=kinds, id="b", group="p1"),
            Sample(image, classes=kinds, id="c"),
        ]

    def test_another_library_reads_it(self, tmp_path):
        path = tmp_path / "out.json"
        write_coco(path, self.samples())
        other = COCO(str(path))
        assert [image["file_name"] for image in other.loadImgs(other.getImgIds())] == ["a.png", "b.png", "c.png"]
        found = other.loadAnns(other.getAnnIds())
        assert [f["bbox"] for f in found] == [AS_COCO, [0, 0, 2.5, 1.5]]
        assert [f["iscrowd"] for f in found] == [1, 0] and [f["area"] for f in found] == [200, 3.75]
        assert [other.loadCats(f["category_id"])[0]["name"] for f in found] == ["cyst", "lesion"]

    def test_read_back(self, tmp_path):
        samples = self.samples()
        for sample in samples:
            picture(tmp_path / f"{sample.id}.png")
        write_coco(tmp_path / "out.json", samples)
        for before, after in zip(samples, read_coco(tmp_path / "out.json"), strict=True):
            assert (before.id, before.group, before.classes) == (after.id, after.group, after.classes)
            if before.boxes is None:
                assert after.boxes is None
                continue
            np.testing.assert_array_equal(before.boxes, after.boxes)
            np.testing.assert_array_equal(before.labels, after.labels)
            np.testing.assert_array_equal(before.ignore, after.ignore)

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_any_box_comes_back(self, tmp_path_factory, data):
        edge = st.floats(0, 1, allow_subnormal=False).map(lambda x: round(x, 6))
        quads = data.draw(st.lists(st.tuples(edge, edge, edge, edge), max_size=5))
        size = np.array([ROWS, COLS, ROWS, COLS])
        boxes = [sorted(q[::2]) + sorted(q[1::2]) for q in quads]
        boxes = np.array([[b[0], b[2], b[1], b[3]] for b in boxes]).reshape(-1, 4) * size
        boxes = boxes[(boxes[:, 2:] - boxes[:, :2] > 1e-3).all(axis=1)]
        folder = tmp_path_factory.mktemp("coco")
        picture(folder / "a.png")
        write_coco(folder / "out.json", [Sample(np.zeros((1, ROWS, COLS)), boxes=boxes, id="a", classes=("x",))])
        np.testing.assert_allclose(read_coco(folder / "out.json")[0].boxes, boxes, atol=1e-9)

    def test_detections(self, tmp_path):
        found = [
            Detections([HALF_OPEN, [-1, 0, 5, 5]], scores=[0.9, 0.2], labels=[0, 2]),
            Detections.none(),
            Detections.none(),
        ]
        write_coco(tmp_path / "out.json", self.samples(), found)
        data = json.loads((tmp_path / "out.json").read_text())
        assert [(a["image_id"], a["score"], a["category_id"]) for a in data["annotations"]] == [
            (1, 0.9, 1),
            (1, 0.2, 3),
        ]
        assert [c["name"] for c in data["categories"]] == ["lesion", "cyst", "class 2"]
        with pytest.raises(InputError, match="3 samples need as many detections; got 1"):
            write_coco(tmp_path / "out.json", self.samples(), found[:1])

    def test_an_older_file_is_not_lost(self, tmp_path, monkeypatch):
        path = tmp_path / "out.json"
        path.write_text("precious")
        whole = Path.write_text

        def full_disk(self, text, **more):
            whole(self, text[: len(text) // 2], **more)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full_disk)
        with pytest.raises(InputError, match="No space left"):
            write_coco(path, self.samples())
        monkeypatch.undo()
        with pytest.raises(InputError, match="2-D"):
            write_coco(path, [*self.samples(), Sample(np.zeros((1, 2, 2, 2)))])
        assert path.read_text() == "precious" and [p.name for p in tmp_path.iterdir()] == ["out.json"]

    def test_no_path_of_this_machine_is_written(self, tmp_path):
        for name in ("one/a.png", "two/a.png"):
            picture(tmp_path / name)
        samples = [s for sub in ("one", "two") for s in read_folder(tmp_path / sub)]
        write_coco(tmp_path / "out.json", samples)
        data = json.loads((tmp_path / "out.json").read_text())
        assert [image["file_name"] for image in data["images"]] == ["one/a.png", "two/a.png"]


class TestVoc:
    def test_folder(self, tmp_path):
        voc(tmp_path / "Annotations", [("cyst", HALF_OPEN, 1), ("lesion", HALF_OPEN, 0)])
        voc(tmp_path / "Annotations", [], name="b")
        (tmp_path / "JPEGImages").mkdir()
        for path in (tmp_path / "Annotations").glob("*.png"):
            path.rename(tmp_path / "JPEGImages" / path.name)
        picture(tmp_path / "JPEGImages" / "c.png")
        a, b, c = read_voc(tmp_path / "Annotations")
        assert a.ignore.tolist() == [True, False] and a.classes == b.classes == c.classes == ("cyst", "lesion")
        assert len(b.boxes) == 0 and c.boxes is None

    def test_known_classes(self, tmp_path):
        path = voc(tmp_path, [("lesion", HALF_OPEN, 0), ("dust", HALF_OPEN, 0)])
        assert read_voc(path, classes=["dust", "lesion"])[0].labels.tolist() == [1, 0]
        with pytest.raises(ReadError, match=r"a\.xml line 5: .*'dust' has an unknown class; known: lesion"):
            read_voc(path, classes=["lesion"])

    def test_indices_count_from_one(self, tmp_path):
        path = voc(tmp_path, [("lesion", HALF_OPEN, 0)])
        assert all(f">{n}<" in path.read_text() for n in AS_VOC)
        np.testing.assert_array_equal(read_voc(path)[0].boxes, [HALF_OPEN])

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "is not XML"),
            ("<annotation>", "line 1: is not XML"),
            ("<coco/>", "needed <annotation>, got <coco>"),
            ("\0\1", "is not XML"),
            ('<?xml version="1.0" encoding="klingon"?><annotation/>', "is not XML"),
            ("<a>" * 5000, "nested too deeply"),
            (
                '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>',
                "declares an XML entity",
            ),
            (
                '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><filename>&a;</filename></annotation>',
                "declares an XML entity",
            ),
            ('<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]><annotation/>', "declares an XML entity"),
        ],
    )
    def test_hostile_xml(self, tmp_path, text, says):
        path = tmp_path / "a.xml"
        path.write_text(text)
        with pytest.raises(ReadError, match=says) as caught:
            read_voc(path)
        assert caught.value.path == str(path)

    def test_external_dtd_is_not_read(self, tmp_path):
        path = voc(tmp_path, [("lesion", HALF_OPEN, 0)])
        path.write_text(f'<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/x.dtd">{path.read_text()}')
        assert len(read_voc(path)[0].boxes) == 1

    def test_object_without_box(self, tmp_path):
        path = voc(tmp_path, [("lesion", HALF_OPEN, 0)])
        path.write_text(path.read_text().replace("xmax", "xmux"))
        with pytest.raises(ReadError, match=r"a\.xml line 4: <object> has no <bndbox> with xmax"):
            read_voc(path)

    def test_every_bad_box_is_counted_and_the_first_ones_named(self, tmp_path):
        path = voc(tmp_path, [("lesion", [5, 5, 5, 5], 0)] * 12)
        with pytest.raises(ReadError, match=r"12 bad entries: .*line 4.*line 8: .*; and 7 more\."):
            read_voc(path)

    def test_group(self, tmp_path):
        path = voc(tmp_path, [])
        path.write_text(path.read_text().replace("</annotation>", "<patient>p9</patient></annotation>"))
        assert read_voc(path, group_by="patient")[0].group == "p9"
        with pytest.raises(InputError, match="<nobody>"):
            read_voc(path, group_by="nobody")


class TestCsv:
    def test_columns(self, tmp_path):
        path = table(tmp_path, ["b,10,5,30,15,a.png", "c,0,0,1,1,a.png"], header="label,x0,y0,x1,y1,file")
        (sample,) = read_csv(path)
        np.testing.assert_array_equal(sample.boxes, [HALF_OPEN, [0, 0, 1, 1]])
        assert sample.classes == ("b", "c")

    def test_looked_and_not_looked(self, tmp_path):
        for name in ("b.png", "c.png"):
            picture(tmp_path / name)
        path = table(tmp_path, ["a.png,lesion,5,10,15,30,1,p1", "b.png,,,,,,,p2"])
        a, b, c = read_csv(path)
        assert a.ignore.tolist() == [True] and len(b.boxes) == 0 and c.boxes is None
        assert [s.group for s in (a, b, c)] == ["p1", "p2", ""]

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("a.png,,5,10,15,30", "line 2: .*unknown class"),
            ("a.png,lesion,five,10,15,30", "line 2: box .five, 10, 15, 30.*NaN or no number"),
            ("a.png,lesion,5,,15,30", "line 2: .*no number"),
            (",lesion,5,10,15,30", "line 2: names no file"),
            ("a.png,lesion,5,10,15,30,maybe", "line 2: ignore must be 0 or 1; got 'maybe'"),
            ("a.png,lesion,5,10,15,30,0,p1,extra", "line 2: has 9 cells, but the header names 8"),
            ("a.png,lesion,5,10,15,30,0,p1\na.png,lesion,5,10,15,30,0,p2", "line 3: .*group 'p2' here and 'p1' above"),
            ('a.png,"lesion', "line 2: is no CSV"),
        ],
    )
    def test_bad_lines(self, tmp_path, line, says):
        with pytest.raises(ReadError, match=says):
            read_csv(table(tmp_path, [line]))

    @pytest.mark.parametrize("header", ["", "file,label", "path;label;row0;col0;row1;col1", "file,row0,col0,row1,col1"])
    def test_wrong_columns(self, tmp_path, header):
        with pytest.raises(ReadError, match="needed the columns file, label and"):
            read_csv(table(tmp_path, [], header=header))

    def test_a_column_named_twice_and_binary(self, tmp_path):
        with pytest.raises(ReadError, match="twice"):
            read_csv(table(tmp_path, [], header="file,label,label,row0,col0,row1,col1"))
        (tmp_path / "boxes.csv").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ReadError, match="UTF-8"):
            read_csv(tmp_path / "boxes.csv")

    def test_byte_order_mark_and_group_column(self, tmp_path):
        path = table(tmp_path, ["a.png,lesion,5,10,15,30,7"], header="file,label,row0,col0,row1,col1,patient")
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert read_csv(path, group_by="patient")[0].group == "7"
        with pytest.raises(InputError, match="no column 'nobody'"):
            read_csv(path, group_by="nobody")


class TestMasks:
    @staticmethod
    def pair(folder: Path, name: str = "a", *, values=(1, 2), ending: str = "") -> tuple[Path, Path]:
        """A picture, and a mask with a block of each value; of the first value two blocks."""
        picture(folder / "images" / f"{name}.png")
        mask = np.zeros((ROWS, COLS), dtype=np.uint8)
        mask[5:15, 10:30] = values[0]
        mask[20:22, 1:4] = values[0]
        mask[30:39, 40:60] = values[-1]
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / "masks" / f"{name}{ending}.png")
        return folder / "images", folder / "masks"

    def test_boxes_are_components(self, tmp_path):
        (sample,) = read_masks(*self.pair(tmp_path), classes={1: "nerve", 2: "vessel"})
        np.testing.assert_array_equal(sample.boxes, [HALF_OPEN, [20, 1, 22, 4], [30, 40, 39, 60]])
        assert sample.labels.tolist() == [0, 0, 1] and sample.classes == ("nerve", "vessel")
        assert np.bincount(sample.mask.ravel()).tolist() == [ROWS * COLS - 386, 206, 180]

    def test_any_values(self, tmp_path):
        (sample,) = read_masks(*self.pair(tmp_path, values=(255, 128)))
        assert sample.classes == ("value 128", "value 255") and sample.labels.tolist() == [0, 1, 1]
        assert set(np.unique(sample.mask)) == {0, 1, 2}

    def test_names(self, tmp_path):
        images, masks = self.pair(tmp_path, "a", ending="_mask")
        self.pair(tmp_path, "b", ending="_seg")
        picture(images / "c.png")
        a, b, c = read_masks(images, masks)
        assert len(a.boxes) == len(b.boxes) == 3 and c.boxes is None and c.mask is None
        (only,) = read_masks([images / "b.png"], [masks / "b_seg.png"])
        assert only.id == "b"

    def test_one_folder(self, tmp_path):
        images, masks = self.pair(tmp_path, "a", ending="_mask")
        (masks / "a_mask.png").rename(images / "a_mask.png")
        (sample,) = read_masks(images, images)
        assert sample.id == "a" and len(sample.boxes) == 3

    def test_an_empty_mask_was_looked_at(self, tmp_path):
        images, masks = self.pair(tmp_path)
        Image.new("L", (COLS, ROWS)).save(masks / "a.png")
        assert len(read_masks(images, masks)[0].boxes) == 0

    def test_palette_and_equal_channels(self, tmp_path):
        images, masks = self.pair(tmp_path)
        with Image.open(masks / "a.png") as file:
            grey = file.copy()
        palette = Image.fromarray(np.asarray(grey)).convert("P")
        palette.putdata(np.asarray(grey).ravel().tolist())
        palette.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
        palette.save(masks / "a.png")
        from_palette = read_masks(images, masks)[0].mask
        grey.convert("RGB").save(masks / "a.png")
        np.testing.assert_array_equal(from_palette, read_masks(images, masks)[0].mask)

    def test_bad_pairs(self, tmp_path):
        images, masks = self.pair(tmp_path)
        with pytest.raises(ReadError, match=r"a\.png holds the value 2, which has no class"):
            read_masks(images, masks, classes={1: "nerve"})
        with pytest.raises(InputError, match="background"):
            read_masks(images, masks, classes={0: "nothing", 1: "nerve"})
        Image.new("L", (COLS, ROWS)).save(masks / "stray.png")
        with pytest.raises(ReadError, match=r"mask stray\.png has no picture"):
            read_masks(images, masks)
        with pytest.warns(MedlocWarning, match="1 dropped"):
            assert len(read_masks(images, masks, on_bad="drop")) == 1
        Image.new("L", (COLS, ROWS + 1)).save(masks / "a.png")
        (masks / "stray.png").unlink()
        with pytest.raises(ReadError, match=r"a\.png is 41×60, its picture a\.png is 40×60"):
            read_masks(images, masks)
        with pytest.warns(MedlocWarning, match="1 dropped"):
            assert len(read_masks(images, masks, on_bad="drop")) == 0

    def test_pictures_that_are_no_masks(self, tmp_path):
        images, masks = self.pair(tmp_path)
        noise = np.random.default_rng(0).integers(0, 255, (ROWS, COLS), dtype=np.uint8)
        Image.fromarray(noise).save(masks / "a.png")
        with pytest.raises(ReadError, match="no label map"):
            read_masks(images, masks)
        Image.fromarray(np.stack([noise, noise, 255 - noise], axis=-1)).save(masks / "a.png")
        with pytest.raises(ReadError, match="colour picture"):
            read_masks(images, masks)
        with pytest.raises(ReadError, match="no such folder"):
            read_masks(images, tmp_path / "nowhere")


class TestLazy:
    def test_reads_on_access_slices_and_pickles(self, tmp_path):
        samples = read_coco(coco(tmp_path, [{"box": HALF_OPEN}], images=("a.png", "b.png", "c.png")))
        (tmp_path / "b.png").unlink()
        again = pickle.loads(pickle.dumps(samples))
        assert len(again) == 3 and again[-1].id == "c" and [s.id for s in again[::2]] == ["a", "c"]
        assert type(again[:1]) is type(samples)
        with pytest.raises(ReadError, match=r"b\.png"):
            again[1]
        with pytest.raises(IndexError):
            again[3]

    def test_a_picture_that_changed(self, tmp_path):
        samples = read_coco(coco(tmp_path, [{"box": HALF_OPEN}]))
        picture(tmp_path / "a.png", shape=(8, 8, 3))
        with pytest.raises(ReadError, match=r"a\.png: does not fit its annotation"):
            samples[0]


class TestFolder:
    def test_each_kind(self, tmp_path):
        coco(tmp_path / "coco", [{"box": HALF_OPEN}])
        voc(tmp_path / "voc", [("lesion", HALF_OPEN, 0)])
        table(tmp_path / "csv", ["a.png,lesion,5,10,15,30"])
        TestMasks.pair(tmp_path / "masks")
        for kind in ("coco", "voc", "csv", "masks"):
            samples = read_folder(tmp_path / kind)
            assert len(samples) == 1
            np.testing.assert_array_equal(samples[0].boxes[0], HALF_OPEN)
        picture(tmp_path / "plain" / "a.jpg")
        assert read_folder(tmp_path / "plain")[0].boxes is None

    def test_dicom(self, tmp_path):
        from pydicom.data import get_testdata_file

        for name in ("CT_small.dcm", "MR_small.dcm"):
            (tmp_path / name).write_bytes(Path(get_testdata_file(name)).read_bytes())
        samples = read_folder(tmp_path)
        assert sorted(s.shape for s in samples) == [(64, 64), (128, 128)]
        assert all(s.group and s.boxes is None for s in samples)
        with pytest.raises(InputError, match="grouped by patient already"):
            read_folder(tmp_path, group_by="patient")

    def test_boxes_on_a_dicom_picture(self, tmp_path):
        from pydicom.data import get_testdata_file

        (tmp_path / "a.dcm").write_bytes(Path(get_testdata_file("CT_small.dcm")).read_bytes())
        path = tmp_path / "boxes.csv"
        path.write_text("file,label,row0,col0,row1,col1\na.dcm,lesion,5,10,15,128\n")
        (sample,) = read_csv(path)
        assert sample.shape == (128, 128) and sample.group
        np.testing.assert_array_equal(sample.boxes, [[5, 10, 15, 128]])
        path.write_text("file,label,row0,col0,row1,col1\na.dcm,lesion,5,10,15,129\n")
        with pytest.raises(ReadError, match="reaches outside its image of 128×128"):
            read_csv(path)

    def test_groups_from_a_table_beside(self, tmp_path):
        TestMasks.pair(tmp_path)
        (tmp_path / "people.csv").write_text("file,person\na.png,p7\n")
        assert read_folder(tmp_path, group_by="person")[0].group == "p7"
        with pytest.raises(InputError, match="nothing is called 'nobody'"):
            read_folder(tmp_path, group_by="nobody")

    def test_what_cannot_be_told(self, tmp_path):
        coco(tmp_path, [{"box": HALF_OPEN}])
        table(tmp_path, ["a.png,lesion,5,10,15,30"])
        with pytest.raises(InputError, match=r"COCO: boxes\.json; CSV: boxes\.csv"):
            read_folder(tmp_path)
        (tmp_path / "empty").mkdir()
        for folder in (tmp_path / "empty", tmp_path / "nowhere"):
            with pytest.raises(MedlocError, match=folder.name):
                read_folder(folder)

    def test_other_json_is_no_annotation(self, tmp_path):
        TestMasks.pair(tmp_path)
        (tmp_path / "dataset.json").write_text('{"training": []}')
        assert len(read_folder(tmp_path)[0].boxes) == 3

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            (
                "b.csv",
                b"file,label,xmin,ymin,xmax,ymax\na.png,x,1,1,2,2\n",
                "row0,col0,row1,col1 .*got file,label,xmin,ymin",
            ),
            ("b.csv", "file,label,x0,y0,x1,y1\na.png,grün,1,1,2,2\n".encode("latin-1"), "is no UTF-8 text"),
            ("b.json", b'{"images": [', "is not JSON"),
        ],
    )
    def test_an_annotation_that_cannot_be_used_is_named(self, tmp_path, name, content, says):
        picture(tmp_path / "a.png")
        (tmp_path / name).write_bytes(content)
        with pytest.warns(MedlocWarning, match=f"no boxes are known here: .*{says}"):
            samples = read_folder(tmp_path)
        assert samples[0].boxes is None

    def test_a_table_of_patients_is_no_failed_annotation(self, tmp_path, recwarn):
        picture(tmp_path / "a.png")
        (tmp_path / "people.csv").write_text("file,person\na.png,p7\n")
        assert read_folder(tmp_path, group_by="person")[0].group == "p7"
        assert not recwarn.list

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_does_not_hang(self, tmp_path):
        picture(tmp_path / "a.png")
        os.mkfifo(tmp_path / "b.csv")
        with pytest.warns(MedlocWarning, match="is a pipe"):
            read_folder(tmp_path)
        os.mkfifo(tmp_path / "b.xml")
        with pytest.raises(ReadError, match="is a pipe"):
            read_folder(tmp_path)
