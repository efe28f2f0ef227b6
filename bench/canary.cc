#include "bench/canary.h"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

#include "bench/ceilings.h"
#include "bench/team.h"
#include "bench/timing.h"

namespace skein {
namespace {

// Rates of a quiet machine, one over the other, per thread. From two kinds of virtual machine
// (Intel Sapphire Rapids: FIELD-NOTES' table of rates; AMD Zen 5), the smaller one of the two: what
// can be expected of a core with AVX-512 and two multiply-add ports.
struct Ratio {
  const char* over;
  const char* under;
  double quiet;
  bool shared = false;  // memory is shared by the threads: true of one thread only
};
constexpr Ratio kRatios[] = {
    {"non-temporal copy in memory", "copy in memory", 1.45, true},
    {"non-temporal copy in memory", "read in memory", 1.36, true},
    {"read in L1", "read in L2", 1.64},
    {"copy in L2", "non-temporal copy in L2", 2.0},
    {"read in L2", "multiply-add peak", 0.80},  // bytes per flop
    {"read in memory", "multiply-add peak", 0.086, true},
};

}  // namespace

double RateHistory::TakeShare() {
  if (rates_.empty()) return 1;
  const double rate = Median(std::exchange(rates_, {}));
  best_ = std::max(best_, rate);
  return rate / best_;
}

double Canary::Loop::Rate() const {
  return probe == nullptr ? FmaRoundFlops() : bytes / probe->Round();
}

double Canary::Loop::MedianRate() const {
  std::vector<double> rounds(kRounds);
  for (double& round : rounds) round = Rate();
  return Median(rounds);
}

Canary::Canary() {
  const size_t l1 = LevelBytes("L1"), l2 = LevelBytes("L2");
  const size_t memory = std::min(2 * Caches().l3, LevelBytes("DRAM") / 2);
  const auto add = [&](const char* name, const Streams& streams, std::optional<bool> around) {
    auto probe =
        std::make_unique<StreamProbe>(streams, StreamProbe::Choice{.non_temporal = around});
    loops_.push_back({name, std::move(probe), streams.total()});
  };
  FmaRoundFlops();  // wakes the wide units
  // The first kSung are sung later.
  loops_.push_back({"multiply-add peak", nullptr, 0});
  add("copy in L2", Streams::Equal(1, 1, l2 / 2), false);
  add("non-temporal copy in memory", Streams::Equal(1, 1, memory), true);
  add("copy in memory", Streams::Equal(1, 1, memory), false);
  add("read in memory", Streams::Equal(1, 0, 2 * memory), {});
  add("non-temporal copy in L2", Streams::Equal(1, 1, l2 / 2), true);
  add("read in L2", Streams::Equal(1, 0, l2), {});
  add("read in L1", Streams::Equal(1, 0, l1), {});
  for (Loop& loop : loops_) loop.history = RateHistory(loop.MedianRate());
  CheckRatios();
  loops_.erase(loops_.begin() + kSung, loops_.end());
}

void Canary::CheckRatios() {
  const auto rate = [&](std::string_view name) {
    for (const Loop& loop : loops_) {
      if (name == loop.name) return loop.history.best();
    }
    return 0.0;
  };
  for (const Ratio& ratio : kRatios) {
    if (ratio.shared && Team::OfThisRun().size() > 1) continue;
    const double measured = rate(ratio.over) / rate(ratio.under);
    if (measured >= ratio.quiet * (1 - RateHistory::kAllowedDip)) continue;
    char text[200];
    std::snprintf(text, sizeof(text), "%s / %s is %.2f, on a quiet machine at least %.2f",
                  ratio.over, ratio.under, measured, ratio.quiet);
    faults_.push_back(text);
  }
}

void Canary::Sing() {
  for (int i = 0; i < kSung; ++i) loops_[i].history.Add(loops_[i].Rate());
}

std::string Canary::TakeDip() {
  std::string dip;
  for (Loop& loop : loops_) {
    const double share = loop.history.TakeShare();
    if (share >= 1 - RateHistory::kAllowedDip) continue;
    char text[100];
    std::snprintf(text, sizeof(text), "%s at %.0f%% of this run's best", loop.name, 100 * share);
    dip = text;
  }
  return dip;
}

}  // namespace skein
