"""Reports from files: text, JSON lines, DICOM structured reports, and what is no report."""

from __future__ import annotations

import json

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medloc_lib import MedlocError, reports
from medloc_lib.errors import ReadError

SCRIPT = "<script>alert('x')</script> A left mass."


def code(meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "121071", "DCM", meaning
    return Sequence([item])


def content(kind, name, *children, **values):
    item = Dataset()
    item.ValueType, item.ConceptNameCodeSequence = kind, code(name)
    for key, value in values.items():
        setattr(item, key, value)
    if children:
        item.ContentSequence = Sequence(children)
    return item


def write_sr(path, *children, charset="ISO_IR 192"):
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", generate_uid()
    ds.Modality, ds.SpecificCharacterSet = "SR", charset
    ds.ValueType, ds.ConceptNameCodeSequence = "CONTAINER", code("Report")
    ds.ContentSequence = Sequence(children)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)


def test_plain_text_is_one_report(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\ufeffNo mass.\n左侧额叶见肿块。\n", encoding="utf-8")
    (report,) = reports.read(path)
    assert (report.id, report.text) == ("a", "No mass.\n左侧额叶见肿块。")


def test_json_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 7, "report": "No mass."}\n\n{"text": "A stroke."}\n', encoding="utf-8")
    assert [(r.id, r.text) for r in reports.read(path)] == [("7", "No mass."), ("a-3", "A stroke.")]


def test_a_structured_report_gives_text_codes_and_numbers(tmp_path):
    path = tmp_path / "sr.dcm"
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "12", code("mm")
    measured.MeasurementUnitsCodeSequence[0].CodeValue = "mm"
    inner = content("NUM", "Length", MeasuredValueSequence=Sequence([measured]))
    write_sr(
        path,
        content(
            "CONTAINER", "Findings", content("TEXT", "Finding", TextValue="Mass in the left insula. 左侧肿块"), inner
        ),
        content("CODE", "Impression", ConceptCodeSequence=code("Infarct")),
    )
    (report,) = reports.read(path)
    assert report.text.splitlines() == [
        "Findings:",
        "  Finding: Mass in the left insula. 左侧肿块",
        "  Length: 12 mm",
        "Impression: Infarct",
    ]


def test_pydicoms_own_structured_report(tmp_path):
    path = get_testdata_file("reportsi.dcm")
    said = " ".join(str(e.value) for e in dcmread(path).iterall() if e.keyword == "TextValue").split()
    (report,) = reports.read(path)
    assert said
    assert set(said) <= set(report.text.replace(":", ": ").split())


@pytest.mark.parametrize(
    ("name", "bytes_", "says"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b"  \n ", "is empty"),
        ("a.txt", b"\xff\xfe\x00m", "is not UTF-8 .byte 0.; save it as UTF-8"),
        ("a.txt", b"mass\x00", "is no text"),
        ("a.jsonl", b'{"report": "x"}\nnot json\n', "line 2 is not JSON"),
        ("a.jsonl", b'{"report": "x"}\n\n{"report": ""}\n', "line 3 needs an object with a text under report, text"),
        ("a.jsonl", b"[1]\n", "line 1 needs an object"),
        ("a.jsonl", json.dumps([[]]).encode() + b"\n" + b"[" * 100_000, "line 1 needs an object"),
        ("a.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("a.dcm", b"nothing of the kind", "a.dcm"),
        ("a.dcm", b"\x00" * 128 + b"DICM", "a.dcm"),
    ],
)
def test_what_is_no_report(tmp_path, name, bytes_, says):
    path = tmp_path / name
    path.write_bytes(bytes_)
    with pytest.raises(MedlocError, match=says):
        reports.read(path)


def test_an_image_is_no_report():
    with pytest.raises(ReadError, match=r"is no DICOM structured report: it has no content \(CT\)"):
        reports.read(get_testdata_file("CT_small.dcm"))


def test_a_structured_report_without_words(tmp_path):
    write_sr(tmp_path / "sr.dcm", Dataset())
    with pytest.raises(ReadError, match="nothing to read"):
        reports.read(tmp_path / "sr.dcm")


def test_no_such_file(tmp_path):
    with pytest.raises(ReadError, match="cannot be read: No such file"):
        reports.read(tmp_path / "none.txt")


def test_scripts_stay_letters(tmp_path):
    path = tmp_path / "sr.dcm"
    write_sr(path, content("TEXT", "Finding", TextValue=SCRIPT))
    shown = reports.read(path)[0]._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
