#include "bench/streams.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/team.h"
#include "bench/timing.h"

namespace skein {
namespace {

std::vector<StreamVariant> Variants(bool has_reads, bool has_writes,
                                    const StreamProbe::Choice& choice) {
  using enum StreamVariant::Prefetch;
  std::vector<StreamVariant> variants;
  for (const bool around : {false, true}) {
    if (around && !has_writes) continue;
    if (has_writes && choice.non_temporal.value_or(around) != around) continue;
    for (const auto prefetch : {kNone, kL1, kL2}) {
      if (prefetch != kNone && !has_reads) continue;
      if (has_reads && choice.prefetch.value_or(prefetch) != prefetch) continue;
      if (choice.busy && !around) continue;
      if (choice.busy) {
        variants.push_back({around, prefetch, 1});
      } else if (choice.chunks) {
        variants.push_back({around, prefetch, *choice.chunks});
      } else {
        for (const int chunks : {1, 4}) variants.push_back({around, prefetch, chunks});
      }
    }
  }
  return variants;
}

size_t Sum(const std::vector<size_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), size_t{0});
}

}  // namespace

std::string StreamVariant::ToString() const {
  std::string text = non_temporal ? "nt" : "normal";
  if (prefetch == Prefetch::kL1) text += ", prefetch L1";
  if (prefetch == Prefetch::kL2) text += ", prefetch L2";
  if (chunks > 1) text += ", " + std::to_string(chunks) + " chunks";
  return text;
}

double Streams::total() const { return static_cast<double>(Sum(reads) + Sum(writes)); }

size_t Streams::longest() const {
  size_t longest = 0;
  for (const size_t bytes : reads) longest = std::max(longest, bytes);
  for (const size_t bytes : writes) longest = std::max(longest, bytes);
  return longest;
}

StreamShape Streams::shape() const {
  StreamShape shape = {static_cast<int>(reads.size()), static_cast<int>(writes.size())};
  const auto ratio = [&](const std::vector<size_t>& sizes) {
    for (size_t s = 1; s < sizes.size(); ++s) {
      if (sizes[s] != longest()) return 0;
    }
    for (const int r : {1, 2, 4}) {
      if (sizes.empty() || sizes[0] * r == longest()) return r;
    }
    return 0;
  };
  shape.read_ratio = ratio(reads);
  shape.write_ratio = ratio(writes);
  const bool known = shape.read_ratio > 0 && shape.write_ratio > 0;
  if (!known || (shape.read_ratio > 1 && shape.write_ratio > 1)) {
    shape.read_ratio = shape.write_ratio = 0;
  }
  return shape;
}

StreamProbe::StreamProbe(const Streams& streams, const Choice& choice)
    : streams_(streams), choice_(choice) {
  // Room for the least that a loop walks, on every thread.
  const size_t least = 8 * kStreamStep * Team::OfThisRun().size();
  const auto allocate = [&](size_t bytes) {
    bytes = std::max(bytes, least);
    HugeBuffer& buffer = buffers_.emplace_back(bytes);
    std::fill_n(reinterpret_cast<float*>(buffer.data()), bytes / sizeof(float), 1.0f);
  };
  for (const size_t bytes : streams_.reads) allocate(bytes);
  for (const size_t bytes : streams_.writes) allocate(bytes);

  const size_t per_thread = streams_.longest() / Team::OfThisRun().size();
  for (const StreamVariant& v : Variants(!streams.reads.empty(), !streams.writes.empty(), choice)) {
    if (v.chunks == 1 || choice.chunks || per_thread >= kStreamStep * v.chunks) {
      candidates_.push_back(MakeCandidate(v, 1024));  // best in memory
      if (streams.shape().any_lengths()) candidates_.push_back(MakeCandidate(v, 8192));  // in cache
    }
  }
  // All variants once to settle the pages and caches, then the best of three rounds each. One
  // thread's part says how many passes fill a round: with few, waking the others would be most of
  // it.
  double fastest = INFINITY;
  for (const Candidate& candidate : candidates_) {
    Time(candidate, 1);
    fastest = std::min(fastest, TimePasses([&] { Walk(candidate, 0); }, 2));
  }
  passes_ = PassesPerRound(fastest);
  for (int round = 0; round < 3; ++round) {
    for (Candidate& candidate : candidates_) {
      candidate.seconds = std::min(candidate.seconds, Time(candidate, passes_));
    }
  }
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.seconds < b.seconds; });
}

StreamProbe::Candidate StreamProbe::MakeCandidate(const StreamVariant& variant, size_t turn) const {
  const StreamShape shape = streams_.shape();
  Candidate candidate;
  candidate.variant = variant;
  candidate.turn = turn;
  const bool wide = __builtin_cpu_supports("avx512f");
  if (choice_.busy) {
    candidate.loop = (wide ? BusyLoopAvx512 : BusyLoopAvx2)(shape.reads, variant.prefetch);
  } else {
    candidate.loop = (wide ? StreamLoopAvx512 : StreamLoopAvx2)(shape, variant);
  }
  candidate.seconds = INFINITY;
  const size_t threads = Team::OfThisRun().size();
  const auto whole = [&](size_t bytes, size_t step) {
    const size_t unit = step * variant.chunks;
    return std::max(bytes / threads / unit * unit, unit);
  };
  // Bytes of a thread's part of a stream, `ratio` times shorter than the longest.
  const auto part_bytes = [&](size_t bytes, int ratio) {
    return ratio == 0 ? whole(bytes, 64) : whole(bytes * ratio, kStreamStep) / ratio;
  };
  double walked = 0;
  for (size_t thread = 0; thread < threads; ++thread) {
    Part& part = candidate.parts.emplace_back();
    for (int s = 0; s < shape.reads; ++s) {
      const int ratio = shape.any_lengths() || s == 0 ? shape.read_ratio : 1;
      part.read_bytes.push_back(part_bytes(streams_.reads[s], ratio));
      part.reads.push_back(buffers_[s].data() + thread * part.read_bytes.back());
    }
    for (int s = 0; s < shape.writes; ++s) {
      const int ratio = shape.any_lengths() || s == 0 ? shape.write_ratio : 1;
      part.write_bytes.push_back(part_bytes(streams_.writes[s], ratio));
      part.writes.push_back(buffers_[shape.reads + s].data() + thread * part.write_bytes.back());
    }
    walked += static_cast<double>(Sum(part.read_bytes) + Sum(part.write_bytes));
  }
  candidate.scale = streams_.total() / walked;
  return candidate;
}

void StreamProbe::Walk(const Candidate& candidate, int thread) const {
  const Part& part = candidate.parts[thread];
  const bool into_l1 = candidate.variant.prefetch == StreamVariant::Prefetch::kL1;
  StreamArguments arguments;
  arguments.reads = part.reads.data();
  arguments.writes = part.writes.data();
  arguments.read_bytes = part.read_bytes.data();
  arguments.write_bytes = part.write_bytes.data();
  arguments.num_reads = static_cast<int>(part.reads.size());
  arguments.num_writes = static_cast<int>(part.writes.size());
  arguments.prefetch_distance = into_l1 ? choice_.l1_distance : choice_.l2_distance;
  arguments.turn = candidate.turn;
  candidate.loop(arguments);
}

void StreamProbe::Pass() const {
  Team::OfThisRun().Time([this](int thread) { Walk(candidates_.front(), thread); });
}

double StreamProbe::Time(const Candidate& candidate, int passes) const {
  const double seconds = Team::OfThisRun().Time([&](int thread) {
    for (int pass = 0; pass < passes; ++pass) Walk(candidate, thread);
  });
  return seconds / passes * candidate.scale;
}

double StreamProbe::Round() {
  // The first two are often within the noise of each other, so a single pick would be luck.
  double seconds = Time(candidates_[0], passes_);
  if (candidates_.size() > 1) seconds = std::min(seconds, Time(candidates_[1], passes_));
  return seconds;
}

double StreamCeilingSeconds(const Streams& streams) {
  if (streams.empty()) return 0;
  StreamProbe probe(streams);
  std::vector<double> rounds(kRounds);
  for (double& round : rounds) round = probe.Round();
  return Median(rounds);
}

}  // namespace skein
