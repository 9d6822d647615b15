"""What is measured can be: no program of the benchmarks is hidden by one of the tools, which are found before it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def names(folder):
    return {file.stem for file in (ROOT / folder).glob("*.py")}


def test_no_benchmark_has_the_name_of_a_tool():
    assert names("bench") & names("tools") == set()


def test_make_bench_runs_all_benchmarks():
    makefile = (ROOT / "Makefile").read_text()
    all_of_them = makefile.partition("\nbench:")[2].partition("\n\n")[0].split()
    run = {line.split("bench/")[1].split(".py")[0] for line in makefile.splitlines() if "bench/" in line}
    assert {f"bench-{name}" for name in run} <= set(all_of_them)
