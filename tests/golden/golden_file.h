// tests/golden/*.skein: a graph, a command, and exactly what the command prints for it.
//
//   # What this file is about; `key: value` lines among these comments say more:
//   # family: softmax          plans to one kernel, the same as every other file of the family
//   # unlike: softmax          does not plan to that kernel
//   # rule: Division           the rewrite rule (a function of fusion/) that makes it so
//   # sizes: rows=5, n=70; rows=1, n=1     where it is run, every way there is
//   command: settle            settle: the graph after fusion/settle.h; plan: its groups; loops: their kernels
//   input:
//   <a graph, see ir/graph_text.h>
//   expect:
//   <text>
#ifndef SKEIN_TESTS_GOLDEN_GOLDEN_FILE_H_
#define SKEIN_TESTS_GOLDEN_GOLDEN_FILE_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "ir/graph.h"

namespace skein {

struct GoldenFile {
  std::string path, name;
  std::string head;      // everything up to and including the line `expect:`
  std::string command, expect;
  std::string family, unlike, rule;
  std::vector<SymbolValues> sizes;
  Graph graph;
};

// Every file of tests/golden, by name. Errors: InvalidArgument naming the file and what is wrong in it.
absl::StatusOr<std::vector<GoldenFile>> ReadGoldenFiles();

// What `command` prints for the graph.
absl::StatusOr<std::string> RunGoldenCommand(const std::string& command, const Graph& graph);

// Writes the file again with this expectation.
absl::Status UpdateGoldenFile(const GoldenFile& file, const std::string& expect);

}  // namespace skein

#endif  // SKEIN_TESTS_GOLDEN_GOLDEN_FILE_H_
