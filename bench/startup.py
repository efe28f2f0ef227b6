"""How long a graph takes from nothing to its first output, beside other runtimes.

    PEERS_CACHE=... ../shared/peers' python bench/startup.py ../shared/graphs --skein build/release/bin/skein

Start-up is the time to the first output, less one steady run. Skein's begins when its process is started, and so holds loading
of libraries; ONNX Runtime's and OpenVINO's begin at session creation, torch.compile's at its call, on the model that the
graph was exported from: their imports are not counted. Every measurement is a process of its own, the runtimes take
turns, all are pinned to the same cores, weights are in the page cache. torch.compile, which takes a minute, runs once, with an empty cache.

Weights are in the page cache, as --cache says: `read`, as a file is that was there when the machine started, in huge pages where the
system has them, or `written`, as one that was downloaded since, in small ones, which each process has to map one by one.

A first touch of memory that the system has to make first is part of a start. In a virtual machine that gives free memory back to
its host that can be most of it, so that columns show the spread: between two starts, --idle seconds pass.

Needs what ../shared/peers/requirements.txt lists; --peers says where that folder is.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MALLOC_SETTINGS = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


def fill_page_cache(path, how):
    if how == "written":
        copy = path.with_name(path.name + ".copy")
        shutil.copyfile(path, copy)
        copy.replace(path)
    with path.open("rb") as f:
        os.fsync(f.fileno())
        if how == "read":
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while f.read(1 << 20):
            pass


def start_skein(skein, path, dims, threads, flags):
    """One process: milliseconds of each step until the first output, and of a steady run."""
    command = [skein, "run", str(path), "--json", "--threads", str(threads), "--repeat", "20",
               "--shape", ",".join(f"{name}={size}" for name, size in dims.items()), *flags]
    environment = {k: v for k, v in os.environ.items() if k not in MALLOC_SETTINGS}  # which are for the others' good
    start = time.monotonic() * 1e3
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    reply = json.loads(done.stdout)
    main, first = reply["main_clock_us"] / 1e3, reply["first_output_clock_us"] / 1e3
    steps = {"process": main - start, "load": reply["load_ms"], "plan": reply["plan_ms"], "compile": reply["compile_ms"]}
    steps["other"] = first - main - sum(list(steps.values())[1:]) - reply["first_run_ms"]
    steps["first run less a steady one"] = reply["first_run_ms"] - reply["median_ms"]
    return {"start": first - start - reply["median_ms"], "first": reply["first_run_ms"], "steady": reply["median_ms"], "steps": steps}


def start_peer(models, backend, path, threads):
    reply = models.spawn([path, "--threads", threads, "--seconds", 1], "--child", backend, "")
    if "failed" in reply:
        raise SystemExit(f"{backend}: {reply['failed']}")
    ms = {k: v * 1e3 for k, v in reply.items() if k.endswith("_s")}
    return {"start": ms["create_s"] + ms["first_run_s"] - ms["median_s"], "first": ms["first_run_s"], "steady": ms["median_s"]}


def start_inductor(torch_models, model, threads):
    cache = tempfile.mkdtemp(prefix="inductor-")
    reply = torch_models.spawn(model, "inductor", threads, 1, cache)
    shutil.rmtree(cache)
    if "failed" in reply:
        raise SystemExit(f"torch.compile: {reply['failed']}")
    return {"start": (reply["first_result_s"] - reply["median_s"]) * 1e3, "first": float("nan"), "steady": reply["median_s"] * 1e3}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", type=pathlib.Path, help="directory with inputs.json")
    parser.add_argument("--skein", required=True)
    parser.add_argument("--peers", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "shared" / "peers")
    parser.add_argument("--model", default="bert-base")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=0, help="seconds between two starts")
    parser.add_argument("--cache", choices=["read", "written"], default="read", help="how the weights got into the page cache")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--flag", action="append", default=[], help="for skein run, such as --flag=--tier=fast")
    args = parser.parse_args()
    sys.path.insert(0, str(args.peers))
    import backends
    import fill_weights
    import models
    import torch_models
    backends.pin(args.threads)

    spec = json.loads((args.graphs / "inputs.json").read_text())[args.model]
    work = backends.cache_dir() / "graphs" / args.model
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{args.model}.onnx"
    if not path.exists():
        fill_weights.fill(args.graphs / path.name, 0, work)
    (work / "spec.json").write_text(json.dumps(spec))
    for file in work.glob(f"{path.name}*"):
        fill_page_cache(file, args.cache)

    starters = {
        "skein": lambda: start_skein(args.skein, path, spec["dims"], args.threads, args.flag),
        "onnxruntime": lambda: start_peer(models, "onnxruntime", path, args.threads),
        "openvino": lambda: start_peer(models, "openvino", path, args.threads),
    }
    runs = {name: [] for name in starters}
    for turn in range(args.rounds):
        for name in list(starters)[turn % len(starters):] + list(starters)[:turn % len(starters)]:
            time.sleep(args.idle)
            runs[name].append(starters[name]())
    if not args.no_torch:
        runs["torch.compile"] = [start_inductor(torch_models, args.model, args.threads)]

    def median(name, key):
        return statistics.median(r[key] for r in runs[name])
    print(f"{args.model}, {args.threads} thread(s), {args.rounds} rounds, {args.idle:g} s between starts, weights as {args.cache}; milliseconds\n")
    print("| | start-up | least | most | first run | steady run | start-up over Skein's |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, values in runs.items():
        starts = [r["start"] for r in values]
        print(f"| {name} | {median(name, 'start'):.1f} | {min(starts):.1f} | {max(starts):.1f} | {median(name, 'first'):.1f} | "
              f"{median(name, 'steady'):.1f} | {median(name, 'start') / median('skein', 'start'):.1f} |")
    print("\nSkein's, by step: " + ", ".join(
        f"{step} {statistics.median(r['steps'][step] for r in runs['skein']):.1f}" for step in runs["skein"][0]["steps"]))


if __name__ == "__main__":
    main()
