// The command line of every `skein` command.
#ifndef SKEIN_CLI_FLAGS_H_
#define SKEIN_CLI_FLAGS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "ir/dim_expr.h"
#include "runtime/program.h"

namespace skein {

// Exit codes.
inline constexpr int kPass = 0, kDifference = 1, kBadInput = 2, kUnsupported = 3;

struct Flags {
  std::string command;
  std::vector<std::string> arguments;          // what is not a flag
  std::vector<SymbolValues> bindings;          // one per --shape
  std::map<std::string, std::string> inputs;   // --input NAME=FILE
  std::string output_folder;                   // --output
  std::optional<uint64_t> random_weights;
  uint64_t input_seed = 1;                     // --seed
  int threads = 1;
  int repeat = 1;
  Tier tier = Tier::kAuto;
  std::optional<Isa> max_isa;
  std::string machine;                         // --machine: a file of facts
  bool no_fuse = false, pack_first = false, json = false, help = false, groups = false;
  std::string emit = "loops";
  std::optional<int> group;
};

// Errors: InvalidArgument naming the flag and its value.
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

// Target and options that the flags ask for. --max-isa is an upper bound: a machine without AVX-512 takes AVX2.
// Errors: Unimplemented where the machine has neither; InvalidArgument naming --machine's file and the line at fault.
absl::StatusOr<CompileOptions> OptionsOf(const Flags& flags);

}  // namespace skein

#endif  // SKEIN_CLI_FLAGS_H_
