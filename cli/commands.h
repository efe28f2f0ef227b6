// One function per command; each returns an exit code or the error that ended it.
#ifndef SKEIN_CLI_COMMANDS_H_
#define SKEIN_CLI_COMMANDS_H_

#include <span>

#include "base/status.h"
#include "cli/flags.h"
#include "ir/graph.h"

namespace skein {

absl::StatusOr<int> RunCommand(const Flags& flags);
absl::StatusOr<int> PlanCommand(const Flags& flags);
absl::StatusOr<int> WhyCommand(const Flags& flags);
absl::StatusOr<int> VerifyCommand(const Flags& flags);
absl::StatusOr<int> OpsCommand(const Flags& flags);
absl::StatusOr<int> DumpCommand(const Flags& flags);

struct Command {
  const char* name;
  const char* summary;
  const char* usage;     // with an example
  absl::StatusOr<int> (*run)(const Flags&);
};
std::span<const Command> Commands();

// The file that a command works on. Errors: InvalidArgument if there is not exactly one.
absl::StatusOr<Graph> LoadGraph(const Flags& flags, size_t extra_arguments = 0,
                                const SymbolMap& fixed_symbols = {});
double NowMs();

}  // namespace skein

#endif  // SKEIN_CLI_COMMANDS_H_
