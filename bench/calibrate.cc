#include "bench/calibrate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/ceilings.h"
#include "bench/graph_case.h"
#include "bench/timing.h"

namespace skein {
namespace {

using Prefetch = StreamVariant::Prefetch;

constexpr size_t kKiB = 1 << 10, kMiB = 1 << 20;

void Print(const std::string& key, const std::string& value, const std::string& comment) {
  std::printf("%-26s = %-10s # %s\n", key.c_str(), value.c_str(), comment.c_str());
  std::fflush(stdout);
}

void PrintBytes(const std::string& key, size_t bytes, const std::string& comment) {
  Print(key, std::to_string(bytes), comment);
}

void PrintRate(const std::string& key, double bytes, double seconds, const std::string& comment) {
  Print(key, absl::StrFormat("%.1f", bytes / seconds * 1e-9), comment);
}

// Seconds of a pass at best. The machine may be disturbed at any time, but is never too fast.
double Fastest(const Streams& streams, const StreamProbe::Choice& choice) {
  StreamProbe probe(streams, choice);
  double seconds = INFINITY;
  for (int round = 0; round < 5; ++round) seconds = std::min(seconds, probe.Round());
  return seconds;
}

// Well outside the caches, and small enough to be allocated many times.
size_t FarBytes() { return std::clamp(4 * Caches().l3, 128 * kMiB, 256 * kMiB); }

void PrintBandwidths() {
  for (const Level& level : Levels()) {
    std::string name = level.name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c | 0x20; });
    const Streams read = Streams::Equal(1, 0, level.bytes);
    PrintRate(absl::StrCat("read_", name, "_gbs"), read.total(), Fastest(read, {}),
              absl::StrFormat("GB/s, reading %d KiB over and over", level.bytes / kKiB));
  }
  const Streams copy = Streams::Equal(1, 1, FarBytes() / 2);
  for (const bool around : {false, true}) {
    PrintRate(around ? "copy_nt_dram_gbs" : "copy_dram_gbs", copy.total(),
              Fastest(copy, {.non_temporal = around}),
              absl::StrFormat("GB/s read and written, copying %d MiB with %s stores",
                              FarBytes() / 2 / kMiB, around ? "non-temporal" : "normal"));
  }
}

// Seconds of a copy followed by a read of what was written, with the best loops of one kind of
// store.
double CopyThenRead(size_t bytes, bool non_temporal) {
  HugeBuffer from(bytes), to(bytes);
  const bool wide = __builtin_cpu_supports("avx512f");
  const auto pick = wide ? StreamLoopAvx512 : StreamLoopAvx2;
  std::byte* const writes[] = {to.data()};
  const std::byte* const reads[] = {from.data()};
  const std::byte* const reads_back[] = {to.data()};
  const StreamArguments copy = {reads, writes, &bytes, &bytes, 1, 1, 8192};
  const StreamArguments read = {reads_back, nullptr, &bytes, nullptr, 1, 0, 8192};
  const StreamLoop read_loop = pick({1, 0}, {});
  double fastest = INFINITY;
  for (const Prefetch prefetch : {Prefetch::kNone, Prefetch::kL1, Prefetch::kL2}) {
    for (const int chunks : {1, 4}) {
      const StreamLoop copy_loop = pick({1, 1}, {non_temporal, prefetch, chunks});
      const auto pass = [&] {
        copy_loop(copy);
        read_loop(read);
      };
      pass();
      const int passes = PassesPerRound(TimePasses(pass, 1));
      for (int round = 0; round < 4; ++round) {
        fastest = std::min(fastest, TimePasses(pass, passes));
      }
    }
  }
  return fastest;
}

// The smallest size from which non-temporal stores win at every size. `seconds(bytes, around)`.
template <typename Seconds>
void PrintThreshold(const std::string& key, const std::string& comment, Seconds seconds) {
  size_t threshold = std::numeric_limits<int64_t>::max();
  std::string ratios;
  for (size_t bytes = FarBytes() / 2; bytes >= 256 * kKiB; bytes /= 2) {
    const double gain = seconds(bytes, false) / seconds(bytes, true);
    if (gain < 1) break;
    threshold = bytes;
    ratios = absl::StrFormat(" %.2f", gain).append(ratios);
  }
  if (ratios.empty()) ratios = " none: never faster";
  PrintBytes(key, threshold, absl::StrCat(comment, "; gain at it, twice it, ...:", ratios));
}

void PrintStreamThresholds() {
  PrintThreshold("stream_output_bytes",
                 "copies of this many bytes are faster with non-temporal stores",
                 [](size_t bytes, bool around) {
                   return Fastest(Streams::Equal(1, 1, bytes), {.non_temporal = around});
                 });
  PrintThreshold("stream_intermediate_bytes", "the same where the copy is then read", CopyThenRead);
}

struct PrefetchChoice {
  size_t bytes = 0;  // ahead of the loads, all streams together
  Prefetch into = Prefetch::kNone;
  double log_gain = 0;  // over none, summed over what was measured
};

// Streams into one output of the same length, all far; bytes of each.
Streams FarStreams(int reads) {
  return Streams::Equal(reads, 1, FarBytes() / (reads + 1) / kMiB * kMiB);
}

double PrefetchSeconds(int reads, bool busy, const PrefetchChoice& choice) {
  const size_t distance = choice.bytes / reads;
  return Fastest(FarStreams(reads), {.non_temporal = true,
                                     .prefetch = choice.into,
                                     .chunks = 1,
                                     .busy = busy,
                                     .l1_distance = distance,
                                     .l2_distance = distance});
}

std::string Text(const PrefetchChoice& choice, int cases) {
  return absl::StrFormat("%.2f times as fast as without", std::exp(choice.log_gain / cases));
}

// For each number of read streams and for all together, over loops with little and with much
// arithmetic. A prefetch that gains under 1% is none.
void PrintPrefetches() {
  constexpr int kMostReads = 3, kKinds = 2;
  constexpr double kLeast = 0.01;
  std::vector<PrefetchChoice> choices;
  for (const Prefetch into : {Prefetch::kL1, Prefetch::kL2}) {
    for (const size_t bytes : {4 * kKiB, 8 * kKiB, 16 * kKiB, 32 * kKiB}) {
      choices.push_back({bytes, into});
    }
  }
  const auto better = [](const PrefetchChoice& a, const PrefetchChoice& b) {
    return a.log_gain < b.log_gain;
  };
  const auto print = [&](const std::string& suffix, const std::string& of, PrefetchChoice best,
                         int cases) {
    if (best.log_gain < cases * kLeast) best = {};
    PrintBytes("prefetch_bytes" + suffix, best.bytes,
               absl::StrCat("ahead of the loads, ", of, "; ", Text(best, cases)));
    Print("prefetch_level" + suffix, best.into == Prefetch::kL2 ? "1" : "0",
          "the cache it goes to: 0 for L1, 1 for L2");
  };
  std::vector<PrefetchChoice> all = choices;
  for (int reads = 1; reads <= kMostReads; ++reads) {
    std::vector<PrefetchChoice> mine = choices;
    for (const bool busy : {false, true}) {
      double none = INFINITY;
      std::vector<double> seconds(choices.size(), INFINITY);
      for (int sweep = 0; sweep < 2; ++sweep) {
        none = std::min(none, PrefetchSeconds(reads, busy, {}));
        for (size_t i = 0; i < choices.size(); ++i) {
          seconds[i] = std::min(seconds[i], PrefetchSeconds(reads, busy, choices[i]));
        }
      }
      for (size_t i = 0; i < choices.size(); ++i) mine[i].log_gain += std::log(none / seconds[i]);
    }
    for (size_t i = 0; i < choices.size(); ++i) all[i].log_gain += mine[i].log_gain;
    print(absl::StrCat("_", reads), absl::StrCat("read streams: ", reads),
          *std::max_element(mine.begin(), mine.end(), better), kKinds);
  }
  print("", "all streams together, for 1 to 3 of them",
        *std::max_element(all.begin(), all.end(), better), kKinds * kMostReads);
}

void PrintChunks() {
  for (const int reads : {1, 2, 3}) {
    double fastest = INFINITY, one = INFINITY;
    int best = 1;
    for (const int chunks : {1, 2, 4, 8}) {
      const double seconds = Fastest(FarStreams(reads), {.non_temporal = true, .chunks = chunks});
      if (chunks == 1) one = seconds;
      if (seconds < 0.98 * fastest) {  // more must be worth it
        fastest = seconds;
        best = chunks;
      }
    }
    Print(reads == 1 ? "chunks" : absl::StrCat("chunks_", reads), std::to_string(best),
          absl::StrFormat(
              "places at which streams are walked in turns, read streams: %d; %.2f times as fast "
              "as at one",
              reads, one / fastest));
  }
}

absl::Status PrintLaunch() {
  GraphMaker g;
  const Dims dims = {1, 8};
  const Graph graph = g.Output(g.Op2(Op::add, g.Input("a", dims), g.Input("b", dims)));
  SKEIN_ASSIGN_OR_RETURN(const GraphKernel kernel, MakeGraphKernel(graph));
  kernel.run();
  double seconds = INFINITY;
  for (int round = 0; round < kRounds; ++round) {
    seconds = std::min(seconds, TimePasses(kernel.run, 2000));
  }
  Print("launch_ns", absl::StrFormat("%.0f", seconds * 1e9),
        "one run of a program that adds 8 numbers");
  return absl::OkStatus();
}

}  // namespace

absl::Status Calibrate() {
  PrintBytes("l1_bytes", Caches().l1, "data cache of a core, as CPUID reports it");
  PrintBytes("l2_bytes", Caches().l2, "of a core, likewise");
  PrintBytes("l3_bytes", Caches().l3, "shared, likewise");
  Print("fma_gflops", absl::StrFormat("%.1f", FmaPeakFlops() * 1e-9),
        "GFLOP/s of one thread, f32 multiply-adds on registers");
  SKEIN_RETURN_IF_ERROR(PrintLaunch());
  PrintBandwidths();
  PrintStreamThresholds();
  PrintPrefetches();
  PrintChunks();
  return absl::OkStatus();
}

}  // namespace skein
