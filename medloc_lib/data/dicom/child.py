"""Decodes compressed pixel data in a process of its own. Run by path, so it imports nothing of medloc_lib.

Codecs written in C can crash, hang or take all memory on a damaged image; here that ends only this process.
Reads requests from standard input and writes frames to standard output: a line of JSON, then the bytes it announces.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
NO_SIZE = (0xC4, 0xC8, 0xCC)  # markers among C0 to CF that start no frame


def frames(request: dict[str, Any], data: bytes) -> Iterator[tuple[np.ndarray[Any, Any], str]]:
    """Frames as pydicom decodes them, colours not converted, with their photometric interpretation."""
    options = dict(request["options"])
    offsets = options.pop("extended_offsets", None)
    if offsets:
        options["extended_offsets"] = tuple(bytes.fromhex(part) for part in offsets)
    expected = options["rows"] * options["columns"]
    encoded = generate_frames(
        data, number_of_frames=options["number_of_frames"], extended_offsets=options.get("extended_offsets")
    )
    for index, frame in enumerate(encoded):
        rows, columns = stated_size(frame, request["syntax"])
        if rows * columns > expected:
            raise ValueError(
                f"the header says {options['rows']}×{options['columns']} pixels, "
                f"compressed frame {index + 1} says {rows}×{columns}"
            )
    decoder = get_decoder(request["syntax"])
    for array, properties in decoder.iter_array(data, raw=True, pixel_keyword="PixelData", **options):
        yield np.ascontiguousarray(array), str(properties["photometric_interpretation"])


def stated_size(frame: bytes, syntax: str) -> tuple[int, int]:
    """Rows and columns that a compressed image itself states, or (0, 0) if it has no place for them."""
    if syntax in JPEG2000TransferSyntaxes or syntax in HTJ2K:  # ISO/IEC 15444-1, A.5.1
        start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
        numbers = [int.from_bytes(frame[i : i + 4], "big") for i in range(start + 8, start + 24, 4)]
        return (max(numbers[1] - numbers[3], 0), max(numbers[0] - numbers[2], 0)) if start >= 0 else (0, 0)
    if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:  # ISO/IEC 10918-1, B.2.2
        position = 2
        while position + 9 <= len(frame) and frame[position] == 0xFF:
            marker = frame[position + 1]
            if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in NO_SIZE):
                rows, columns = frame[position + 5 : position + 7], frame[position + 7 : position + 9]
                return int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
            length = int.from_bytes(frame[position + 2 : position + 4], "big")
            position += 1 if marker == 0xFF else 2 + length
    return 0, 0


def limit_memory(more: int | None) -> None:
    """Let this process grow by so many bytes and no further, or without limit. Only Linux keeps such a limit."""
    if sys.platform == "linux":
        import resource

        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = hard if more is None else now + more
        soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the other side closes."""

    def send(message: dict[str, Any], payload: bytes | memoryview = b"") -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.write(payload)
        answers.flush()

    send({"ready": True})
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["bytes"])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                limit_memory(request["memory"])
                for array, photometric in frames(request, data):
                    about = {"shape": array.shape, "dtype": array.dtype.str, "photometric": photometric}
                    send({**about, "bytes": array.nbytes}, array.data.cast("B"))
                limit_memory(None)
                send({"done": True, "warnings": [str(item.message) for item in caught]})
            except BaseException as error:  # a panic in a codec written in Rust is no Exception
                limit_memory(None)
                send({"error": " ".join(str(error).split())[:400] or type(error).__name__})


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes this process
    logging.disable(logging.CRITICAL)
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a codec prints must not end up among the frames
    serve(sys.stdin.buffer, output)
