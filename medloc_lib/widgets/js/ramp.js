// Colours and figures of what runs from low to high.

const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

const viridis = (share) => {
  const place = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1);
  const i = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const part = place - i;
  return `rgb(${VIRIDIS[i].map((c, k) => Math.round(c + (VIRIDIS[i + 1][k] - c) * part)).join(",")})`;
};

const short = (x) => x.toFixed(2).replace("-", "\u2212");

// The ramp of colours between its two ends.
const rampOf = (low, high) => {
  const bar = node("span", { class: "medloc-ramp" });
  bar.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(viridis).join(", ")})`;
  return [`${low} `, bar, ` ${high}`];
};
