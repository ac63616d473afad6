"""Draw the figure of docs/renderer.md: soap bench render --json > bench.json; python docs/renderer.py bench.json."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {
    "cpu": "#0b6e4f",
    "warp": "#5aa469",
    "embree": "#c97b2d",
    "mitsuba": "#8f5aa8",
    "pytorch3d": "#b23a48",
}
NAMES = {
    ("cpu", "cpu"): "soaplib, CPU",
    ("warp", "cpu"): "its Warp kernels, one thread",
    ("warp", "cuda"): "soaplib, GPU",
    ("embree", "cpu"): "Embree, no gradients",
    ("mitsuba", "cpu"): "Mitsuba 3, LLVM",
    ("pytorch3d", "cpu"): "PyTorch3D, CPU",
}
BARS = {256: 20, 512: 60}
"""Milliseconds wanted of the CPU backend on two cores."""


def main(bench: str, out: str = "docs/renderer.svg") -> None:
    report = json.loads(pathlib.Path(bench).read_text())
    plt.rcParams.update(
        {
            "font.size": 9,
            "svg.hashsalt": "renderer",
            "svg.fonttype": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.7), width_ratios=(1.25, 1))
    rows = [{**row, "total": row["forward_ms"] + (row["backward_ms"] or 0)} for row in report["rows"]]
    least = min(row["faces"] for row in rows)

    labels = []
    for name, device in dict.fromkeys((row["backend"], row["device"]) for row in rows):
        own = [r for r in rows if (r["backend"], r["device"]) == (name, device)]
        of_size = [r for r in own if r["faces"] == least and r["channels"] == 3]
        colour = COLOURS.get(name, "#555555")
        left.plot(
            [r["size"] for r in of_size], [r["total"] for r in of_size], "o-", color=colour, ms=4, lw=1.6
        )
        what = NAMES.get((name, device), f"{name}, {device}")
        labels.append((of_size[-1]["size"], of_size[-1]["total"], what, colour))
        if name == "cpu":
            for by, marker, colour in (("faces", "o", "#0b6e4f"), ("channels", "s", "#5aa469")):
                fixed = "channels" if by == "faces" else "faces"
                base = 3 if by == "faces" else least
                swept = sorted((r[by], r["total"]) for r in own if r["size"] == 256 and r[fixed] == base)
                if len(swept) > 1:
                    first = swept[0]
                    right.plot(
                        [n / first[0] for n, _ in swept], [t / first[1] for _, t in swept], f"{marker}-",
                        color=colour, ms=4, lw=1.6, label=f"{by}, from {first[0]} to {swept[-1][0]}",
                    )  # fmt: skip
            sizes = [(r["size"] ** 2, r["total"]) for r in of_size]
            right.plot(
                [n / sizes[0][0] for n, _ in sizes], [t / sizes[0][1] for _, t in sizes], "^-", color="#2d6fb7",
                ms=4, lw=1.6, label=f"pixels, from {of_size[0]['size']}² to {of_size[-1]['size']}²",
            )  # fmt: skip

    for size, wanted in BARS.items():
        left.plot([size * 0.85, size * 1.18], [wanted] * 2, color="black", lw=1.2)
        left.annotate(f"bar: {wanted} ms", (size * 1.22, wanted), va="center", fontsize=7.5)
    left.set(xscale="log", yscale="log", xlabel="pixels along a side", ylabel="forward + backward")
    left.set_xticks(sorted({r["size"] for r in rows}), [str(s) for s in sorted({r["size"] for r in rows})])
    times = [t for t in (10, 100, 1000, 10000, 100000) if t < 2 * max(r["total"] for r in rows)]
    left.set_yticks(times, [f"{t} ms" if t < 1000 else f"{t // 1000} s" for t in times])
    left.minorticks_off()
    left.grid(alpha=0.25)
    left.set_title("Six views of the head, 10 thousand faces, 3 channels", fontsize=9, loc="left")
    _write_labels(left, labels)

    span = [1, max(line.get_xdata()[-1] for line in right.lines)]
    right.plot(span, span, color="grey", lw=0.8, ls="--", label="linear")
    right.set(xscale="log", yscale="log", xlabel="times as many", ylabel="times as long")
    right.set_title("How the CPU's time grows", fontsize=9, loc="left")
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_formatter("{x:g}")
    right.grid(alpha=0.25)
    right.legend(frameon=False, fontsize=8)
    about = report["machine"]
    figure.text(
        0.995, 0.005, f"{about['processor']}, {about['cores']} cores", ha="right", fontsize=7, color="grey"
    )
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None} if out.endswith(".svg") else None, dpi=130)


def _write_labels(axes, labels):
    """Write names right of the lines' ends, apart from each other."""
    axes.set_xlim(right=axes.get_xlim()[1] * 4.2)
    low = 0.0
    for size, total, name, colour in sorted(labels, key=lambda label: label[1]):
        place = max(total, low)
        axes.annotate(name, (size * 1.08, place), color=colour, va="center", fontsize=8)
        low = place * 1.45


if __name__ == "__main__":
    main(*sys.argv[1:])
