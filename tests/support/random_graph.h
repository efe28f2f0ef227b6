// Random valid graphs from bytes, so that the same generator serves seeds and fuzzers.
#ifndef SKEIN_TESTS_SUPPORT_RANDOM_GRAPH_H_
#define SKEIN_TESTS_SUPPORT_RANDOM_GRAPH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace skein {

// A graph over pointwise, movement, reduction, contraction and gather ops with symbolic dims "a" and "b"; any
// bytes give a graph that Verify accepts, and indices are in range. Bytes past the end read as 0.
Graph RandomGraph(std::span<const uint8_t> bytes);

// Bytes for a graph of up to about 14 operations.
std::vector<uint8_t> RandomBytes(uint64_t seed);

// Sizes for the graph's symbols: around 1, vector widths and primes, sometimes 0.
SymbolValues RandomSizes(uint64_t seed);

// The seed of this run's random tests: SKEIN_TEST_SEED, or a fresh one. `graphs`: SKEIN_TEST_GRAPHS, or `otherwise`.
uint64_t TestSeed();
int TestGraphs(int otherwise);

}  // namespace skein

#endif  // SKEIN_TESTS_SUPPORT_RANDOM_GRAPH_H_
