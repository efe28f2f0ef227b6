// The families of skein-bench: each adds its rows to Google Benchmark. To add one, write
// bench/<name>_family.cc with a function like the ones below and add its line to families.cc.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <span>
#include <string>

#include "bench/ceilings.h"

namespace skein {

struct Family {
  const char* name;     // first part of every row's name, as in "softmax/128x768"
  const char* summary;  // one line for --help
  void (*add_rows)();
};
std::span<const Family> Families();

// Adds one row that calls `make_kernel` once, then times the kernel it gives against the ceilings
// of `work`. The row prints time (median of the rounds), GB/s, GFLOP/s, and `ceiling`: the share
// of its ceiling that the kernel reached in the same rounds. Its label says which ceiling binds:
// memory or arithmetic.
void AddRow(const std::string& name, const Work& work,
            const std::function<std::function<void()>()>& make_kernel,
            const std::function<Resident()>& make_resident = {});

// Writes a measurement into a benchmark's one iteration, for rows that AddRow does not fit.
void Report(const Work& work, const Measurement& measured, benchmark::State& state);

void AddCeilings();   // ceilings_family.cc
void AddPointwise();  // the rest: kernel_families.cc
void AddSoftmax();
void AddLayerNorm();
void AddGemm();

}  // namespace skein
