import sys; sys.path.insert(0,"/tmp/deepruns/nb")
from build import build
C=[]
md=lambda s:C.append(("md",s)); code=lambda s:C.append(("code",s))
md(r'''
# 09 · A detector: heat maps, and masks

One box per picture was not enough. Here every *place* of the picture answers for itself: is the centre of a lesion here, and how large is it? That is the kit's main detector, a few hundred lines that you will have read at the end of this lesson. Beside it a
network that paints: the U-Net.

|  |  |
|---|---|
| **Goals** | make the target of a heat-map detector and read its answer; say why its loss is a focal one; train it and watch; turn a mask into boxes; do both in 3-D and on pictures of any size |
| **Before** | lesson 08 |
| **Data** | `brain_lesions` (*simulated*, built in); licence in lesson 01 |
| **Time** | 40 minutes to read; @@MIN@@ minute to run on 2 CPU cores; the training cells are some ten times faster on a GPU, the rest stays |
| **Memory** | @@MEM@@ |
''')
code('''
import matplotlib.pyplot as plt
import numpy as np
import torch

import medloc_lib as ml
from medloc_lib import geometry, metrics, plot
from medloc_lib.deep import heatmap, tensors
from medloc_lib.exercises.detector import check
from medloc_lib.widgets import curves, explore, view, view3d
''')
code('''
train, val, test = (ml.load("brain_lesions", split=split) for split in ("train", "val", "test"))
sample = train[133]
sample
''')
md(r'''
## Objects as points

CenterNet (Zhou, Wang and Krähenbühl, 2019) sees an object as a **point**, its centre, with a size attached. The network answers on a grid of *cells*, here 2 pixels apart:

- a **heat map** for each class, near 1 where the centre of a lesion of that class is, and near 0 elsewhere;
- **extents** in every cell: how far the centre is from this cell's own, and how high and wide the box is.

Nothing is paired with anything: each lesion has its own cell, however many there are.

### The target

What shall the heat map be? 1 in the centre's cell alone would punish an answer one cell beside it as much as one at the other end of the head. So the 1 gets a soft slope, a Gaussian as long and wide as its box:

$$Y(r, c) = \max_{\text{boxes}} \exp\left(-\frac{(r - r_0)^2}{2\sigma_r^2} - \frac{(c - c_0)^2}{2\sigma_c^2}\right), \qquad \sigma_r = \text{share} \cdot \text{height}, \quad \sigma_c = \text{share} \cdot \text{width} ,$$

with $(r_0, c_0)$ the cell that the box's centre lies in; where two slopes meet, the higher counts.
''')
code('''
def bumps(shape, boxes, stride=2, share=0.18):
    """The heat that a network shall answer: 1 at each centre, a slope around it."""
    rows, cols = np.mgrid[: shape[0] // stride, : shape[1] // stride]
    heat = np.zeros(rows.shape)
    for row0, col0, row1, col1 in np.asarray(boxes) / stride:
        r, c = np.floor((row0 + row1) / 2), np.floor((col0 + col1) / 2)
        tall, wide = max(share * (row1 - row0), 0.4), max(share * (col1 - col0), 0.4)
        heat = np.maximum(heat, np.exp(-0.5 * (((rows - r) / tall) ** 2 + ((cols - c) / wide) ** 2)))
    return heat
''')
code('''
# NBVAL_CHECK_OUTPUT
truth = tensors.box_tensors([sample])
made = heatmap.target(truth["boxes"], truth["labels"], truth["ignored"], classes=3, cells=(80, 80), stride=2)
heat = bumps(sample.shape, sample.boxes)
print("as in the library:", np.allclose(heat, made.heat[0].amax(0), atol=1e-4))
print("cells:", heat.size, "  at 1:", int((heat == 1).sum()), "  over one half:", int((heat > 0.5).sum()))
''')
code('''
def slopes(image, share=0.18):
    return bumps(image.shape, sample.boxes, stride=1, share=share)


explorer = explore(slopes, sample, share=(0.02, 0.6))
explorer.channel = "FLAIR"
explorer
''')
md(r'''
A small share leaves points; with a large one neighbouring lesions flow into each other, and their two peaks become one. The kit takes 0.18.

### Reading the answer

The other way round: a lesion is where the heat is higher than in all eight neighbours, and the extents of that cell make its box. If $\Delta$ is the answered way to the centre and $s$ the answered logarithm of the side, both in cells, then

$$\text{centre} = (\text{cell} + \tfrac12 + \Delta) \cdot \text{stride} , \qquad \text{side} = e^{s} \cdot \text{stride} .$$

The logarithm makes an error of 10 % cost the same for a small lesion and a large one.
''')
code('''
def read(heat, extents, stride=2, threshold=0.5):
    """Boxes at the peaks of a heat map; extents (4, rows, cols) are the way to the centre and the log side."""
    padded = np.pad(heat, 1)
    around = [padded[i : i + heat.shape[0], j : j + heat.shape[1]] for i in range(3) for j in range(3)]
    boxes = []
    for r, c in np.argwhere((heat >= np.max(around, axis=0)) & (heat >= threshold)):
        center = np.array([r, c]) + 0.5 + extents[:2, r, c]
        half = np.exp(extents[2:, r, c]) / 2
        boxes.append(stride * np.concatenate([center - half, center + half]))
    return np.array(boxes)
''')
code('''
def perfect(target, stride=2):
    """The extents that a network would answer which knows the truth."""
    start, stop = target.boxes[0, :2].numpy() / stride, target.boxes[0, 2:].numpy() / stride
    places = np.indices(start.shape[1:]) + 0.5
    return np.concatenate([(start + stop) / 2 - places, np.log(np.maximum(stop - start, 0.01))])
''')
code('''
# NBVAL_CHECK_OUTPUT
extents = perfect(made)
boxes = read(heat, extents)
peaks = heatmap.decode(made.heat, torch.from_numpy(extents)[None].float(), stride=2, most=len(boxes))
print("there and back again:", np.allclose(np.sort(boxes, axis=0), np.sort(sample.boxes, axis=0), atol=1e-3))
print("as in the library:", np.allclose(np.sort(boxes, axis=0), np.sort(peaks.boxes[0], axis=0), atol=1e-3))
print("classes read:", [sample.classes[k] for k in peaks.labels[0]])
''')
md(r'''
<details><summary><b>Question 1.</b> The cells are 2 pixels apart. Why is the centre of a lesion still found to a fraction of a pixel?</summary>

Because the cell does not only say *here*: it also answers how far away the centre really is, $\Delta$, as a number with decimals.

</details>

### The losses

Of 6,400 cells some three are centres. With the plain cross-entropy the easy *no* of all others would drown them. The **penalty-reduced focal loss** turns both down, what is easy and what is close to a centre:

$$L = -\frac{1}{N} \sum \begin{cases} (1 - p)^2 \ln p & Y = 1 \\ (1 - Y)^4\, p^2 \ln (1 - p) & \text{else} \end{cases} ,$$

with $p$ the answered heat, $Y$ the target and $N$ the number of lesions.
''')
code('''
def focal(p, wanted):
    """Penalty-reduced focal loss; also the share of it that does not come from the centres."""
    center = wanted == 1
    hits = -((1 - p[center]) ** 2 * np.log(p[center])).sum()
    rest = -((1 - wanted[~center]) ** 4 * p[~center] ** 2 * np.log(1 - p[~center])).sum()
    return (hits + rest) / center.sum(), rest / (hits + rest)
''')
code('''
# NBVAL_CHECK_OUTPUT
p = np.full(heat.shape, 0.1)
loss, share = focal(p, heat)
logits = torch.logit(torch.from_numpy(p))[None, None].float()
library = heatmap.focal_loss(logits, torch.from_numpy(heat)[None, None].float(), torch.ones(1, 80, 80, dtype=bool))
plain = -np.log(1 - p[heat < 1]).sum() / (-np.log(p[heat == 1]).sum() - np.log(1 - p[heat < 1]).sum())
print(f"ours {loss:.3f}, the library's {library:.3f}")
print(f"share of the loss that is not of the centres: cross-entropy {plain:.0%}, focal {share:.0%}")
''')
md(r'''
For a network that answers 0.1 everywhere, @@PLAIN@@ of the plain loss says *there is nothing* about places that everyone knows; of the focal loss @@FOCAL@@.

The extents are trained near the centres only, with two losses: the L1 distance of centre and log side, and the **generalized IoU** (Rezatofighi et al., 2019). IoU alone is 0 for all boxes that do not touch, whether they are one pixel apart or a hundred; the generalized one goes on below 0, by the part of
the common hull $H$ that neither box covers:

$$\mathrm{GIoU}(A, B) = \mathrm{IoU}(A, B) - \frac{|H| - |A \cup B|}{|H|} .$$
''')
code('''
# NBVAL_CHECK_OUTPUT
a = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
for shift in (0.0, 2.0, 4.0, 8.0, 40.0):
    b = a + torch.tensor([0.0, shift, 0.0, shift])
    print(f"{shift:4.0f} apart: IoU {geometry.iou(a, b)[0, 0]:.2f}, generalized {heatmap.giou(a, b)[0]:+.2f}")
''')
md(r'''
Two more things make it train in minutes. Every batch is **augmented** on the device: turned, scaled, mirrored, brightened, cut; boxes and heat follow. And it is not the weights $\theta$ of the last step that are kept, which still jump about, but their **exponential moving average** $\bar\theta \leftarrow 0.998\,\bar\theta + 0.002\,\theta$.

## Training, live

A small one, on 160 slices, for a quarter of a minute. Watch the loss fall; the AP on 32 validation slices comes up late, when the extents begin to fit. You may stop it at any time.
''')
code('''
live = curves("Heat map")
live
''')
code('''
from medloc_lib.deep.localizers import HeatmapLocalizer, load_model

small = HeatmapLocalizer(widths=(16, 32, 48), epochs=5, ema=0.9, rate=5e-3)
small.fit(train[:160], validation=val[:32], watch=live)
''')
code('''
# NBVAL_CHECK_OUTPUT
epochs = small.history_.epochs
print("the loss fell by more than a third:", epochs[-1].loss < 2 / 3 * epochs[0].loss)
print("both of its parts fell:", all(epochs[-1].parts[k] < epochs[0].parts[k] for k in ("heat", "box")))
''')
code('''
plot.present(plot.learning({"160 slices": epochs}, metric="AP"), alt="Loss falling and AP on validation, by epoch.")
''')
md(r'''
@@TEXT_LIVE@@

## The trained detector

With all 1,200 slices and 1.5 million parameters it takes some @@TRAIN@@ minutes on 2 cores (`make models`); that one is loaded:
''')
code('''
detector = load_model("brain_lesions_heatmap")
some = test[:120]
found = detector.predict(some)
''')
code('''
# NBVAL_CHECK_OUTPUT
where = metrics.average_precision(*ml.localizer.any_class(some, found), iou=0.3).mean
what = metrics.average_precision(some, found, iou=0.3).per_class
print(f"{len(some)} test slices, where: AP 0.3 over @@AP@@: {where > @@AP@@}")
print("where and what:", ", ".join(f"{name} over 0.5: {ap > 0.5}" for name, ap in what.items()))
print(f"brightest point in a lesion over 0.9: {metrics.pointing_game(some, found) > 0.9}")
''')
code('''
k = @@VIEW@@
viewer = view(some[k], detections=ml.Detections(*(getattr(found[k], n)[found[k].scores > 0.2] for n in ("boxes", "scores", "labels"))))
viewer.channel = "FLAIR"
viewer
''')
md(r'''
@@TEXT_VIEW@@
''')
code('''
figure, axes = plt.subplots(1, 3, figsize=(13, 4.4))
for ax, channel in zip(axes, ("FLAIR", "T1")):
    plot.show(some[k], channel=channel, mask=False, ax=ax)
axes[2].imshow(found[k].heatmap, cmap="inferno", extent=(0, 160, 160, 0))
axes[2].set_axis_off()
axes[2].set_title("the heat map")
plot.present(figure, alt="@@ALT_HEAT@@")
''')
md(r'''
@@TEXT_HEAT@@

Over the whole test split, by size, with skull and without, from `benchmarks/detector.json` (`python benchmarks/detector.py` makes it):
''')
code('''
# NBVAL_CHECK_OUTPUT
import json
from pathlib import Path

measured = json.loads(Path("../benchmarks/detector.json").read_text())
for key in ("AP 0.3, all", "AP 0.3, under 5 mm", "AP 0.3, 5 to 15 mm", "AP 0.3, from 15 mm", "sensitivity at 1 FP"):
    print(f"{key:20s}", *(f"{name}: {metrics.Interval(**measured[name][key])}  " for name in ("with skull", "brain alone")))
''')
md(r'''
@@TEXT_SIZES@@

<details><summary><b>Question 2.</b> Of two heat peaks on one large lesion both would be boxes, and one a false alarm. What keeps them apart?</summary>

Their boxes overlap almost wholly, as both cells answer for the same lesion. Of boxes that overlap by an IoU over 0.5 only the surest is kept: **non-maximum suppression**, `geometry.nms`.

</details>

## Painting instead of pointing: the U-Net

Where *masks* are given, a network can answer for each pixel what it is. The **U-Net** (Ronneberger et al., 2015) looks at the picture at smaller and smaller sizes and back again, with bridges between equal sizes. We take MONAI's, trained with the sum of cross-entropy and **Dice loss**, $1 - 2|A \cap B| / (|A| + |B|)$ with soft
counts. Then what hangs together is an object:
''')
code('''
unet = load_model("brain_lesions_unet")
with torch.no_grad():
    picture = tensors.pictures([sample], unet.channels_)[0].float()
    probability = unet.net_(picture[None])[0].softmax(0).numpy()
mask = probability[0] < 0.5  # class 0 is the background
boxes, _ = geometry.mask_to_boxes(mask)
''')
code('''
# NBVAL_CHECK_OUTPUT
from medloc_lib.deep.localizers.segmenter import mask_to_detections

library = mask_to_detections(probability)
print("as in the library:", np.array_equal(np.sort(boxes, axis=0), np.sort(library.boxes, axis=0)))
print(f"Dice with the true mask over 0.7: {metrics.dice(mask, sample.mask > 0) > 0.7}")
print("parameters:", f"{unet.n_parameters_:,} against {detector.n_parameters_:,}")
''')
code('''
touching = test[@@TOUCH@@]
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.6))
for ax, model, name in zip(axes, (detector, unet), ("heat map", "U-Net")):
    answer = model.predict([touching])[0]
    sure = ml.Detections(answer.boxes[answer.scores > 0.3], answer.scores[answer.scores > 0.3])
    plot.show(touching, channel="FLAIR", mask=False, detections=sure, ax=ax).set_title(name)
plot.present(figure, alt="@@ALT_TOUCH@@")
''')
md(r'''
@@TEXT_UNET@@

## Three dimensions

Nothing above is flat: with kernels of 3×3×3, boxes of six numbers and one more axis in the Gaussian, the same code detects in volumes. Trained on 24 volumes (`make models`), asked about one of another patient:
''')
code('''
solid = load_model("brain_lesions_heatmap_3d")
volume = ml.load("brain_lesions", split="test", dims=3)[@@VOL@@]
best = solid.predict([volume])[0]
best = ml.Detections(best.boxes[best.scores > 0.3], best.scores[best.scores > 0.3], best.labels[best.scores > 0.3])
''')
code('''
# NBVAL_CHECK_OUTPUT
overlaps = geometry.iou(best.boxes, volume.boxes)
hit = overlaps.max(axis=0) >= 0.3
print("volume", "×".join(map(str, volume.shape)), "voxels,", len(volume.boxes), "lesions, some of them found:", bool(hit.any()))
print(f"centre of what is found less than 6 mm off: {metrics.center_error([volume], [best], iou=0.3) < 6}")
''')
code('''
view3d(volume, detections=best)
''')
md(r'''
@@TEXT_3D@@

## Pictures of any size

A network of convolutions takes any size, but memory does not. Larger pictures are answered in **tiles** that overlap: each looks further than it answers for, so that nothing is cut at a seam.
''')
code('''
# NBVAL_CHECK_OUTPUT
from medloc_lib.deep.localizers.detector import tiles

parts = list(tiles((4000, 4000), most=2**22, margin=64, step=16))
outer, inner = parts[1]
print(len(parts), "tiles; one looks at", [(s.start, s.stop) for s in outer], "and answers for", [(s.start, s.stop) for s in inner])
for name in ("picture of 4000", "volume of 160"):
    m = measured[name]
    print(f"{name}: {m['seconds']} s, {m['picture_mib']} MiB of picture and {m['more_mib']} MiB more")
''')
md(r'''
@@TEXT_TILES@@

## The ladder

All rungs so far, test split, one seed each (the stored rows of `make bench`; each fitted within minutes):
''')
code('''
from medloc_lib.bench import read_leaderboard

rows = {row.name: row for row in read_leaderboard("../benchmarks/leaderboard.json")}
names = ["threshold", "textbook_cnn", "pooled_cam", "one_box", "unet", "heatmap"]
ax = plot.leaderboard({name: rows[name].scores["ap_0.3"] for name in names})
plot.present(ax, alt="AP at IoU 0.3 of the threshold and of the ladder's rungs; the heat map is @@RANK@@.")
''')
code('''
# NBVAL_CHECK_OUTPUT
for name in names:
    row = rows[name]
    classes = ", ".join(f"{k} {v.value:.2f}" for k, v in row.classes.items() if k != "mean")
    print(f"{name:13s} AP 0.3 {row.scores['ap_0.3']}   {row.parameters:>10,} parameters   {classes}")
print("the heat map is better than:", ", ".join(rows["heatmap"].better_than))
''')
md(r'''
@@TEXT_ROWS@@

<details><summary><b>Question 3.</b> The U-Net learned from masks, the heat map from boxes. Is it fair to compare them?</summary>

The scores are compared fairly: same slices, same boxes, same code. The *cost* is not the same: a mask takes a reader minutes, a box seconds. Where only boxes exist, the U-Net cannot be trained at all.

</details>

## Exercises

### Exercise 1 · What a cell must answer

For a box and a stride: the cell that its centre lies in, the way from that cell's centre to the box's, and the logarithm of its sides, all in cells. It is `read` backwards.
''')
code('''
def encode(box, stride):
    """(row, col, way along rows, way along cols, log height, log width) as an array, for (row0, col0, row1, col1)."""
    return None
''')
code('''
# NBVAL_CHECK_OUTPUT
check(encode)
''')
md(r'''
<details><summary><b>Solution</b></summary>

```python
def encode(box, stride):
    """(row, col, way along rows, way along cols, log height, log width) as an array, for (row0, col0, row1, col1)."""
    start, stop = np.array(box[:2]) / stride, np.array(box[2:]) / stride
    center = (start + stop) / 2
    cell = np.floor(center)
    return np.concatenate([cell, center - cell - 0.5, np.log(stop - start)])
```

</details>

### Exercise 2 · Peaks

Find the cells whose heat is at least the threshold and not lower than in any of their eight neighbours (fewer at the border).
''')
code('''
def peaks(heat, threshold):
    """(row, col) of each peak, as an (n, 2) array."""
    return None
''')
code('''
# NBVAL_CHECK_OUTPUT
check(peaks)
''')
md(r'''
<details><summary><b>Solution</b></summary>

```python
def peaks(heat, threshold):
    """(row, col) of each peak, as an (n, 2) array."""
    padded = np.pad(heat, 1, constant_values=-np.inf)
    rows, cols = heat.shape
    around = [padded[i : i + rows, j : j + cols] for i in range(3) for j in range(3)]
    return np.argwhere((heat >= threshold) & (heat >= np.max(around, axis=0)))
```

</details>

## Summary

- A heat-map detector answers in every cell: is a centre here, how far is it, how large is the box. Target and reading are each other's inverse.
- The focal loss keeps thousands of easy cells from drowning a few centres; generalized IoU and L1 fit the boxes; augmentation and averaged weights make it hold.
- A U-Net paints masks; boxes come from what hangs together, and lesions that touch become one.
- The same code works in 3-D, and by tiles on pictures of any size.

## Try it yourself

1. Train `small` with `augment=None`. How do loss and AP on validation change? (Lesson 10 takes that up.)
2. `HeatmapLocalizer(stride=4)`: which size of lesion suffers? `bench` gives AP by size.
3. Take your own folder of pictures and boxes: `medloc train --dataset FOLDER --localizer heatmap --out mymodel`.

## Sources

- X. Zhou, D. Wang and P. Krähenbühl, "Objects as points", arXiv:1904.07850 (2019): CenterNet.
- T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017. Z. Liu et al., "Training-time-friendly network for real-time object detection", AAAI 2020: slopes as long and wide as their box.
- H. Rezatofighi et al., "Generalized intersection over union", CVPR 2019. T.-Y. Lin et al., "Feature pyramid networks", CVPR 2017.
- B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", *SIAM J. Control Optim.* 30 (1992): averaged weights.
- O. Ronneberger, P. Fischer and T. Brox, "U-Net", MICCAI 2015. F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net", 3DV 2016: Dice loss. MONAI: M. J. Cardoso et al., arXiv:2211.02701 (2022).
''')
import json,pathlib
V=json.loads(pathlib.Path("/tmp/deepruns/nb/v09.json").read_text())
def fill(s):
    for k,v in V.items(): s=s.replace(f"@@{k}@@",str(v))
    return s
C=[(k,fill(s)) for k,s in C]
left=[s for _,s in C if "@@" in s]
if left: print("unfilled:",[__import__("re").findall("@@[A-Z_0-9]+@@",s) for s in left])
build("09_detector",C)
