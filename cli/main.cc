// skein: the command on dumped graphs.
#include <chrono>
#include <cstdio>

#include "base/heap.h"
#include "cli/commands.h"
#include "frontends/onnx/import.h"

namespace skein {
namespace {

constexpr char kFileFlags[] =
    "  --shape NAME=VALUE,...   sizes of symbolic dims (default 1); given several times: one program\n"
    "                           runs each binding in turn\n"
    "  --input NAME=FILE        a .npy or TensorProto .pb file; inputs not given are drawn\n"
    "  --seed N                 seed of drawn inputs (default 1)\n"
    "  --random-weights SEED    draws weights whose file is missing\n"
    "  --threads N              (default 1)\n"
    "  --tier auto|fast|optimized   fast: Xbyak where it can, else LLVM; optimized: LLVM; auto: fast at\n"
    "                           first, and kernels that get hot are optimized in the background (default;\n"
    "                           verify and dump take it for optimized)\n"
    "  --max-isa avx2|avx512    (default: the best of this machine)\n"
    "  --machine FILE           facts about memory, as `skein-bench calibrate` prints them\n"
    "  --pack-first             packs all weights before the first run; large ones are packed behind the runs\n"
    "                           otherwise (not with --tier optimized)\n"
    "  --no-fuse                one kernel per node of the file\n"
    "  --json                   machine-readable output\n";

constexpr Command kCommands[] = {
    {"run", "compiles and runs a graph, prints times",
     "skein run FILE [--repeat N] [--output DIR] [--groups] [flags]\n"
     "  --repeat N               timed runs after the first (default 1)\n"
     "  --output DIR             writes one .npy per graph output\n"
     "  --groups                 prints the median time of every kernel\n"
     "Example: skein run bert-base.onnx --random-weights 1 --shape batch=1,seq=128 --repeat 20\n",
     RunCommand},
    {"plan", "prints which nodes share a kernel, bytes moved, and reasons",
     "skein plan FILE [flags]\n"
     "Sizes are those of the first --shape; the plan is the same for all.\n"
     "Example: skein plan bert-base.onnx --random-weights 1 --json\n", PlanCommand},
    {"why", "says why two nodes share a kernel or do not",
     "skein why FILE A B [flags]\n"
     "Example: skein why bert-base.onnx node_MatMul_91 node_linear --random-weights 1\n",
     WhyCommand},
    {"verify", "checks every kernel and every output against the f64 reference",
     "skein verify FILE [flags]\n"
     "Example: skein verify bert-base.onnx --random-weights 1 --shape batch=1,seq=128\n",
     VerifyCommand},
    {"ops", "lists the operators that can be imported", "skein ops [--json]\nExample: skein ops\n", OpsCommand},
    {"dump", "prints the settled graph, loops, LLVM IR or assembly",
     "skein dump FILE [--emit=graph|loops|llvm|asm] [--group N] [flags]\n"
     "  --emit=asm               the code of --tier, each instruction beside the line of the loops (as legalized\n"
     "                           for the target) that it computes; see docs/profiling.md\n"
     "Example: skein dump bert-base.onnx --random-weights 1 --emit=asm --group 5\n",
     DumpCommand},
};

void PrintHelp() {
  std::printf("skein: fuses a graph of tensor operations into machine code and runs it.\n\nCommands:\n");
  for (const Command& c : kCommands) std::printf("  %-8s %s\n", c.name, c.summary);
  std::printf("\n'skein COMMAND --help' shows its flags and an example.\n"
              "Exit codes: 0 pass, 1 difference, 2 bad usage or input, 3 unsupported.\n");
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "skein: %s\n", std::string(status.message()).c_str());
  return absl::IsUnimplemented(status) ? kUnsupported : kBadInput;
}

int Main(int argc, char** argv) {
  absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
  if (!flags.ok()) return Fail(flags.status());
  if (flags->command.empty()) {
    PrintHelp();
    return flags->help ? kPass : kBadInput;
  }
  for (const Command& command : kCommands) {
    if (flags->command != command.name) continue;
    if (flags->help) {
      std::printf("%s: %s\n\n%s\nFlags of commands that read a file:\n%s", command.name, command.summary,
                  command.usage, kFileFlags);
      return kPass;
    }
    absl::StatusOr<int> code = command.run(*flags);
    return code.ok() ? *code : Fail(code.status());
  }
  return Fail(InvalidArgument("there is no command '", flags->command, "'; see skein --help"));
}

}  // namespace

std::span<const Command> Commands() { return kCommands; }

double NowMs() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count();
}

absl::StatusOr<Graph> LoadGraph(const Flags& flags, size_t extra_arguments, const SymbolMap& fixed_symbols) {
  if (flags.arguments.size() != 1 + extra_arguments) {
    return InvalidArgument(flags.command, " takes ", extra_arguments == 0 ? "one file" : "one file and two node names",
                           "; see skein ", flags.command, " --help");
  }
  ImportOptions options;
  options.random_weights_seed = flags.random_weights;
  options.fixed_symbols = fixed_symbols;
  return ImportOnnx(flags.arguments[0], options);
}

}  // namespace skein

int main(int argc, char** argv) {
  skein::UseHugePagesForHeap();
  return skein::Main(argc, argv);
}
