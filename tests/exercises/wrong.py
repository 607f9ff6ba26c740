"""Two plausible wrong answers to each exercise, and what the learner is told."""

from __future__ import annotations

START_HERE = {
    "pointing_hit": (
        (
            "def pointing_hit(box, lesion):\n"
            "    return box[0] >= lesion[0] and box[1] >= lesion[1] and box[2] <= lesion[2] and box[3] <= lesion[3]",
            "although the box itself reaches out",
        ),
        (
            "def pointing_hit(box, lesion):\n"
            "    row, col = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2\n"
            "    return lesion[0] <= row <= lesion[2] and lesion[1] <= col <= lesion[3]",
            "half-open",
        ),
    ),
    "precision_recall": (
        (
            "def precision_recall(hits, lesions):\n"
            "    found = np.cumsum(hits)\n"
            "    return found / len(hits), found / lesions",
            "divided by k",
        ),
        (
            "def precision_recall(hits, lesions):\n"
            "    found = np.cumsum(hits)\n"
            "    return found / np.arange(1, len(hits) + 1), found / sum(hits)",
            "found or not",
        ),
    ),
}

IMAGES = {
    "size_mm": (
        (
            "def size_mm(box, spacing):\n"
            "    return np.array([(box[2] - box[0]) * spacing[1], (box[3] - box[1]) * spacing[0]])",
            "belongs to the rows",
        ),
        (
            "def size_mm(box, spacing):\n    return (box[2] - box[0]) * (box[3] - box[1]) * spacing[0] * spacing[1]",
            r"array of shape \(2,\)",
        ),
    ),
    "side": (
        (
            "def side(box, affine):\n"
            "    x = geometry.index_to_mm([[box[0], box[1]]], affine)[0, 0]\n"
            "    return 'right' if x > 0 else 'left'",
            "x grows to the patient's left",
        ),
        (
            "def side(box, affine):\n    return 'left' if (box[1] + box[3]) / 2 > 100 else 'right'",
            "the column alone does not tell",
        ),
    ),
}

ENHANCEMENT = {
    "equalized": (
        (
            "def equalized(counts):\n"
            "    share = np.cumsum(counts) / counts.sum()\n"
            "    return (len(counts) - 1) * share",
            "less those of the lowest level",
        ),
        (
            "def equalized(counts):\n    return (len(counts) - 1) * (counts - counts[0]) / (counts.sum() - counts[0])",
            "pixels counted up to it",
        ),
    ),
    "contrast_to_noise": (
        (
            "def contrast_to_noise(image, lesion, around):\n"
            "    return abs(image[lesion].mean() - image[around].mean()) / image.std()",
            "standard deviation of the surroundings is 2",
        ),
        (
            "def contrast_to_noise(image, lesion, around):\n"
            "    return (image[lesion].mean() - image[around].mean()) / image[around].std()",
            "darker than its surroundings has contrast too",
        ),
    ),
}

FUSION = {
    "soft_product": (
        (
            "def soft_product(channels, floor):\n    return np.maximum(np.prod(channels, axis=0), floor)",
            "Lift each channel to the floor first",
        ),
        (
            "def soft_product(channels, floor):\n    return np.prod(channels + floor, axis=0)",
            "0.5 stays 0.5",
        ),
    ),
    "best_shift": (
        (
            "def best_shift(fixed, moving, most):\n"
            "    steps = range(-most, most + 1)\n"
            "    return min(steps, key=lambda s: np.abs(fixed - np.roll(moving, s, axis=1)).sum())",
            "its greys turned over",
        ),
        (
            "def best_shift(fixed, moving, most):\n"
            "    steps = range(-most, most + 1)\n"
            "    return max(steps, key=lambda s: fusion.mutual_information(np.roll(fixed, s, axis=1), moving))",
            r"must be -3: .* rolling it by -3 undoes that; it gave 3",
        ),
    ),
}

SEGMENTATION = {
    "grown": (
        (
            "def grown(image, seed, tolerance):\n    return np.abs(image - image[seed].mean()) <= tolerance",
            "do not hang with the seed",
        ),
        (
            "def grown(image, seed, tolerance):\n"
            "    alike = np.abs(image - image[seed].mean()) <= tolerance\n"
            "    return ndimage.binary_dilation(seed) & alike",
            "Go on until nothing is added",
        ),
    ),
    "neighbors": (
        (
            "def neighbors(levels, n):\n"
            "    counts = np.zeros((n, n))\n"
            "    np.add.at(counts, (levels[:, :-1], levels[:, 1:]), 1)\n"
            "    return counts / counts.sum()",
            "in both orders",
        ),
        (
            "def neighbors(levels, n):\n"
            "    counts = np.zeros((n, n))\n"
            "    np.add.at(counts, (levels[:, :-1], levels[:, 1:]), 1)\n"
            "    return counts + counts.T",
            "must add up to 1",
        ),
    ),
}

SUPERVISED = {
    "loss_gradient": (
        (
            "def loss_gradient(weights, x, lesion):\n"
            "    p = 1 / (1 + np.exp(-x @ weights))\n"
            "    return x.T @ (p - lesion)",
            "the loss is a mean",
        ),
        (
            "def loss_gradient(weights, x, lesion):\n    return x.T @ (x @ weights - lesion + 0.5) / len(x)",
            "A tiny step in each weight",
        ),
    ),
    "refined": (
        (
            "def refined(box, offset):\n"
            "    middle, size = (np.array(box[:2]) + box[2:]) / 2, np.subtract(box[2:], box[:2])\n"
            "    middle, size = middle + np.array(offset[:2]), size * np.exp(offset[2:])\n"
            "    return np.concatenate([middle - size / 2, middle + size / 2])",
            "Shares of the box's own height",
        ),
        (
            "def refined(box, offset):\n"
            "    start, size = np.array(box[:2]), np.subtract(box[2:], box[:2])\n"
            "    start, size = start + np.array(offset[:2]) * size, size * np.exp(offset[2:])\n"
            "    return np.concatenate([start, start + size])",
            "about the same centre",
        ),
    ),
}

UNSUPERVISED = {
    "new_centres": (
        (
            "def new_centres(points, label, centres):\n"
            "    return np.array([points[label == k].mean() for k in range(len(centres))])",
            r"must give an array of shape \(2, 2\)",
        ),
        (
            "def new_centres(points, label, centres):\n"
            "    return np.array([points[label == k].mean(axis=0) for k in range(len(centres))])",
            "A centre without points stays where it was",
        ),
    ),
    "rebuilding_error": (
        (
            "def rebuilding_error(x, mean, components):\n"
            "    rebuilt = x @ components.T @ components\n"
            "    return np.sqrt(((x - rebuilt) ** 2).mean(axis=1))",
            "The mean is rebuilt without any component",
        ),
        (
            "def rebuilding_error(x, mean, components):\n"
            "    rebuilt = mean + (x - mean) @ components.T @ components\n"
            "    return np.sqrt(((x - rebuilt) ** 2).sum(axis=1))",
            "the root of the mean square",
        ),
    ),
}

SEMISUPERVISED = {
    "reweighted": (
        (
            "def reweighted(p, prior, share):\n    return p * share / prior",
            "divide by the sum of both",
        ),
        (
            "def reweighted(p, prior, share):\n"
            "    a, b = p * prior / share, (1 - p) * (1 - prior) / (1 - share)\n"
            "    return a / (a + b)",
            "The rarer lesions are here",
        ),
    ),
    "checked": (
        (
            "def checked(one, two, sure):\n    return np.where((one + two) / 2 >= sure, 1, 0)",
            "-1 where the views do not agree",
        ),
        (
            "def checked(one, two, sure):\n"
            "    return np.select([np.maximum(one, two) >= sure, np.minimum(one, two) <= 1 - sure], [1, 0], -1)",
            "Both views must be sure",
        ),
    ),
}

CNN = {
    "parameters": (
        (
            "def parameters(kind, inputs, outputs, kernel=3):\n"
            "    return outputs * (inputs * (kernel**2 if kind == 'conv' else 1))",
            "each with 4 weights and a bias",
        ),
        (
            "def parameters(kind, inputs, outputs, kernel=3):\n"
            "    return outputs * (kernel**2 + 1) if kind == 'conv' else outputs * (inputs + 1)",
            "32 kernels of 3×3×3 weights",
        ),
    ),
    "receptive_field": (
        (
            "def receptive_field(layers):\n"
            "    size = 1\n"
            "    for kernel, stride in layers:\n"
            "        size += kernel - 1\n"
            "    return size",
            "after a pooling neighbours lie 2 pixels apart",
        ),
        (
            "def receptive_field(layers):\n"
            "    size = 1\n"
            "    for kernel, stride in layers:\n"
            "        size *= kernel\n"
            "    return size",
            "the second one sees 3 answers",
        ),
    ),
}

DETECTOR = {
    "encode": (
        (
            "def encode(box, stride):\n"
            "    center = np.array([box[0] + box[2], box[1] + box[3]]) / 2 / stride\n"
            "    cell = np.floor(center)\n"
            "    side = np.array([box[2] - box[0], box[3] - box[1]]) / stride\n"
            "    return np.concatenate([cell, center - cell, np.log(side)])",
            r"a cell's own centre lies at its index \+ 0\.5",
        ),
        (
            "def encode(box, stride):\n"
            "    center = np.array([box[0] + box[2], box[1] + box[3]]) / 2 / stride\n"
            "    cell = np.floor(center)\n"
            "    side = np.array([box[2] - box[0], box[3] - box[1]])\n"
            "    return np.concatenate([cell, center - cell - 0.5, np.log(side)])",
            "sides are counted in cells",
        ),
    ),
    "peaks": (
        (
            "def peaks(heat, threshold):\n    return np.argwhere(heat >= threshold)",
            "its neighbour .1, 2. is hotter",
        ),
        (
            "def peaks(heat, threshold):\n"
            "    up, down = np.roll(heat, 1, 0), np.roll(heat, -1, 0)\n"
            "    left, right = np.roll(heat, 1, 1), np.roll(heat, -1, 1)\n"
            "    around = np.max([up, down, left, right], axis=0)\n"
            "    return np.argwhere((heat >= threshold) & (heat >= around))",
            "across the corner",
        ),
    ),
}

BLOOD_CELLS = {
    "turned": (
        (
            "def turned(boxes, shape):\n"
            "    row0, col0, row1, col1 = boxes.T\n"
            "    return np.stack([shape[1] - col0, row0, shape[1] - col1, row1], axis=1)",
            "brings the top left pixel to the bottom left",
        ),
        (
            "def turned(boxes, shape):\n"
            "    row0, col0, row1, col1 = boxes.T\n"
            "    return np.stack([shape[1] - 1 - col0, row0, shape[1] - col0, row0 + 1], axis=1)",
            "the box of the whole picture is the whole turned picture",
        ),
    ),
    "unlabelled": (
        (
            "def unlabelled(overlap, scores, sure):\n"
            "    return (scores >= sure) & (overlap.max(axis=1, initial=0) == 0)",
            "touches its nearest box by 0.05 only",
        ),
        (
            "def unlabelled(overlap, scores, sure):\n"
            "    return (scores > sure) & (overlap.max(axis=1, initial=0) < 0.1)",
            "A score of just 0.2 counts too",
        ),
    ),
}

GENERALIZATION = {
    "stopped_at": (
        (
            "def stopped_at(scores, patience):\n"
            "    for epoch in range(1, len(scores)):\n"
            "        if scores[epoch] <= scores[epoch - 1]:\n"
            "            return epoch + 1, epoch\n"
            "    return len(scores), len(scores)",
            "epochs 3 and 4 bring nothing better",
        ),
        (
            "def stopped_at(scores, patience):\n"
            "    best, at = -np.inf, 0\n"
            "    for epoch, score in enumerate(scores, start=1):\n"
            "        if score >= best:\n"
            "            best, at = score, epoch\n"
            "        if epoch - at >= patience:\n"
            "            return epoch, at\n"
            "    return len(scores), at",
            "as good is not better",
        ),
    ),
    "unmirror": (
        (
            "def unmirror(boxes, cols):\n"
            "    made = np.array(boxes)\n"
            "    made[:, [1, 3]] = cols - made[:, [1, 3]]\n"
            "    return made",
            "the right edge of a box becomes its left one",
        ),
        (
            "def unmirror(boxes, cols):\n"
            "    made = np.array(boxes)\n"
            "    made[:, [1, 3]] = cols - 1 - made[:, [3, 1]]\n"
            "    return made",
            "becomes 10 - x",
        ),
    ),
}

EVIDENCE = {
    "holm": (
        (
            "def holm(p, level):\n    return p <= level / len(p)",
            "the next with 0.05/3",
        ),
        (
            "def holm(p, level):\n    rank = np.argsort(np.argsort(p))\n    return p <= level / (len(p) - rank)",
            "At the first that does not pass, stop",
        ),
    ),
    "fused": (
        (
            "def fused(before, evidence):\n    return 1 / (1 + np.exp(-before - evidence.sum(axis=1)))",
            "it gave .*nan",
        ),
        (
            "def fused(before, evidence):\n"
            "    p = 1 / (1 + np.exp(-before - evidence))\n"
            "    return np.where(np.isnan(p).all(axis=1), 1 / (1 + np.exp(-before)), np.nan_to_num(p).mean(axis=1))",
            "Add the evidence that is there",
        ),
    ),
}

REPORTS = {
    "negated": (
        (
            "def negated(words, at):\n    return any(word in DENY for word in words)",
            "no stands behind mass",
        ),
        (
            "def negated(words, at):\n    return any(word in DENY for word in words[max(0, at - 5) : at])",
            "but ends what no rules over",
        ),
    ),
    "contrastive": (
        (
            "def contrastive(similarity):\n"
            "    shifted = similarity - similarity.max(axis=1, keepdims=True)\n"
            "    chance = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)\n"
            "    return -np.log(np.diag(chance)).mean()",
            "the softmax goes down the column",
        ),
        (
            "def contrastive(similarity):\n"
            "    with np.errstate(all='ignore'):\n"
            "        chance = np.exp(similarity) / np.exp(similarity).sum(axis=0)\n"
            "        return -np.log(np.diag(chance)).mean()",
            "take away each column's highest value first",
        ),
    ),
}

SEQUENCES = {
    "cell_state": (
        (
            "def cell_state(f, i, g):\n    return np.cumsum(i * g)",
            "half of the state is kept",
        ),
        (
            "def cell_state(f, i, g):\n"
            "    c, states = 0.0, []\n"
            "    for now in range(len(f)):\n"
            "        c = f[now] * (c + i[now] * g[now])\n"
            "        states.append(c)\n"
            "    return np.array(states)",
            "comes on top",
        ),
    ),
    "ends_off": (
        (
            "def ends_off(told, wanted, apart):\n    return apart * (told != wanted).sum() / 2",
            "What lies between first and last does not count",
        ),
        (
            "def ends_off(told, wanted, apart):\n"
            "    a, b = np.flatnonzero(told), np.flatnonzero(wanted)\n"
            "    return (abs(a[0] - b[0]) + abs(a[-1] - b[-1])) / 2",
            "so 3.0 mm",
        ),
    ),
}

ULTRASOUND = {
    "dice_loss": (
        (
            "def dice_loss(probability, truth):\n"
            "    found = probability > 0.5\n"
            "    return 1 - 2 * (found * truth).sum() / (found.sum() + truth.sum())",
            "Do not round the probabilities",
        ),
        (
            "def dice_loss(probability, truth):\n"
            "    both = (probability + truth).sum(axis=(1, 2))\n"
            "    return np.mean(1 - 2 * (probability * truth).sum(axis=(1, 2)) / both)",
            "Sum over the whole batch before dividing",
        ),
    ),
    "groups": (
        (
            "def groups(similar, least):\n    return (similar >= least).argmax(axis=1)",
            "A chain may be long",
        ),
        (
            "from scipy.sparse.csgraph import connected_components\n\n"
            "def groups(similar, least):\n    return connected_components(similar > least)[1]",
            "What is just at the bound counts",
        ),
    ),
}

HIPPOCAMPUS = {
    "dice_by_class": (
        (
            "def dice_by_class(truth, told, classes):\n"
            "    return np.array([((truth == k) & (told == k)).sum() / ((truth == k) | (told == k)).sum()\n"
            "                     for k in range(1, classes + 1)])",
            "twice what is shared",
        ),
        (
            "def dice_by_class(truth, told, classes):\n"
            "    made = []\n"
            "    for k in range(1, classes + 1):\n"
            "        both = (truth == k).sum() + (told == k).sum()\n"
            "        made.append(2 * ((truth == k) & (told == k)).sum() / both if both else 0.0)\n"
            "    return np.array(made)",
            "both masks are empty and agree",
        ),
    ),
    "largest": (
        (
            "def largest(mask):\n"
            "    parts, n = ndimage.label(mask)\n"
            "    return parts == 1 + np.bincount(parts.ravel())[1:].argmax() if n else mask",
            "by an edge or a corner",
        ),
        (
            "def largest(mask):\n    parts, n = ndimage.label(mask, np.ones((3,) * mask.ndim))\n    return parts == 1",
            "need not be the first",
        ),
    ),
}

WRONG = {
    "00_start_here": START_HERE,
    "01_images": IMAGES,
    "02_enhancement": ENHANCEMENT,
    "03_fusion": FUSION,
    "04_segmentation": SEGMENTATION,
    "05_supervised": SUPERVISED,
    "06_unsupervised": UNSUPERVISED,
    "07_semisupervised": SEMISUPERVISED,
    "08_cnn": CNN,
    "09_detector": DETECTOR,
    "10_generalization": GENERALIZATION,
    "11_sequences": SEQUENCES,
    "12_reports": REPORTS,
    "13_evidence": EVIDENCE,
    "20_blood_cells": BLOOD_CELLS,
    "21_ultrasound": ULTRASOUND,
    "22_hippocampus": HIPPOCAMPUS,
}
"""Lesson -> exercise -> (wrong answer, what it is told)."""
