"""Data in: data sets by name (`registry`), and your own DICOM files, boxes and masks (`dicom`, `annotations`).

>>> from medloc_lib.data import annotations, registry
>>> "brain_lesions" in registry.names()
True
"""
