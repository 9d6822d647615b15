"""Draw how memory and time grow, from what bench/hosts.py measured: picture.py RESULT.json PICTURE.svg."""

import json
import sys

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator

OURS, OTHER = "#0b7a75", "#b3541e"


def memory(axes, found):
    """Draw what the teams that are awake take, beside as many stock servers."""
    steps = found["many"]["growth"]
    awake = [step["awake"] for step in steps]
    one = found["server"]["stock"]["memory"]["pss"] / 1024
    axes.plot(awake, [one * count for count in awake], "--", color=OTHER, label="stock: one measured, times so many")
    axes.plot(awake, [step["pss"] / 1024 for step in steps], "o-", color=OURS, label="mlops.mlflow")
    axes.set(title="Memory of teams that are awake", xlabel="teams awake", ylabel="PSS, GiB")


def seconds(axes, found):
    """Draw what a run with nothing to change takes, beside the loop as far as it was run."""
    loop = found["site"]["loop"]
    runs = [*found["site"]["ours"], found["many"]["idle"]]
    few, more = loop[0], loop[-1]
    slope = (more["seconds"] - few["seconds"]) / (more["teams"] - few["teams"])
    most = runs[-1]["teams"]
    ahead = [more["seconds"], more["seconds"] + slope * (most - more["teams"])]
    axes.plot([more["teams"], most], ahead, "--", color=OTHER, label="loop of roles, extrapolated")
    axes.plot(
        [run["teams"] for run in loop], [run["seconds"] for run in loop], "o-", color=OTHER, label="loop of roles"
    )
    axes.plot(
        [run["teams"] for run in runs], [run["seconds"] for run in runs], "o-", color=OURS, label="mlops.mlflow.site"
    )
    axes.set(title="A run with nothing to change", xlabel="teams on the host", ylabel="seconds")


def main(result, picture):
    """Draw both."""
    with open(result) as file:
        found = json.load(file)
    # The same figures make the same file.
    mpl.rcParams.update(
        {"svg.hashsalt": "bench", "font.size": 11, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for draw, axes in zip((memory, seconds), panels, strict=True):
        draw(axes, found)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.grid(color="#dddddd")
        axes.legend(frameon=False)
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    mpl.use("svg")
    main(*sys.argv[1:])
