// Tells a disturbed machine from a slow kernel. These virtual machines have slow phases; a few
// fixed loops that nothing of ours can slow down, run among a row's rounds, show them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/streams.h"

namespace skein {

// Rates of one loop over a run, for the better or the worse.
class RateHistory {
 public:
  static constexpr double kAllowedDip = 0.15;

  explicit RateHistory(double best) : best_(best) {}
  void Add(double rate) { rates_.push_back(rate); }
  // The median since the last call as a share of the best median so far; 1 if nothing was added.
  double TakeShare();
  double best() const { return best_; }

 private:
  double best_;
  std::vector<double> rates_;
};

class Canary {
 public:
  // Measures what the loops reach now: about a second.
  Canary();

  // What is wrong with the machine as a whole: each ratio of two rates that is more than the
  // allowed dip under the one of a quiet machine. Empty if nothing is.
  const std::vector<std::string>& faults() const { return faults_; }

  // One short round of the loops that bear on every kernel: multiply-adds, a copy in L2, a copy in
  // memory. A few milliseconds.
  void Sing();

  // What fell by more than the allowed dip under the best of this run, in the median of the rounds
  // since the last call; empty if nothing did.
  std::string TakeDip();

 private:
  struct Loop {
    const char* name;
    std::unique_ptr<StreamProbe> probe;  // null: multiply-adds
    double bytes;
    RateHistory history = RateHistory(0);  // bytes/s or flop/s

    double Rate() const;
    double MedianRate() const;
  };
  static constexpr int kSung = 3;  // the first loops

  void CheckRatios();

  std::vector<Loop> loops_;
  std::vector<std::string> faults_;
};

}  // namespace skein
