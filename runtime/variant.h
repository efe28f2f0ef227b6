// A plan made ready to run: its kernels, where every value lies, and every size as a compiled expression.
#ifndef SKEIN_RUNTIME_VARIANT_H_
#define SKEIN_RUNTIME_VARIANT_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "fusion/locality.h"
#include "fusion/plan.h"
#include "ir/dim_expr_eval.h"
#include "runtime/arena.h"
#include "runtime/kernel_cache.h"
#include "runtime/symbol_binding.h"
#include "runtime/tier_upgrader.h"

namespace skein {

// Distinct expressions over the graph's symbols, evaluated all at once.
class ExpressionTable {
 public:
  explicit ExpressionTable(const SymbolBinder* binder) : binder_(binder) {}
  // The expression's number. Errors: InvalidArgument naming a symbol that no input determines.
  absl::StatusOr<int> Add(DimExpr e);
  absl::StatusOr<std::vector<int>> AddAll(std::span<const DimExpr> list);
  // The values by number.
  std::vector<int64_t> Evaluate(std::span<const int64_t> symbols) const;

 private:
  const SymbolBinder* binder_;
  absl::flat_hash_map<DimExpr, int> numbers_;
  std::vector<CompiledDimExpr> compiled_;
};

// Whose memory a value lies in.
enum class Place : uint8_t {
  kInput,     // the caller's input `index`
  kOutput,    // the caller's output `index`
  kConstant,  // a literal's
  kProgram,   // written once in the program's life
  kLate,      // the same, behind the runs
  kBinding,   // written once per binding
  kArena,     // of one run
};

struct MaterializedValue {
  Value value;
  Place place;
  int index = -1;            // kInput, kOutput
  LiteralRef literal;        // kConstant
  ElementType element;
  std::vector<int> dims;     // expressions
  int first = 0, last = 0;   // groups that write and last read it
};

enum class Runner : uint8_t { kGeneratedCode, kLoopNestInterpreter, kGraphInterpreter };

// What a group of every run does instead as long as weights are not packed.
struct UnpackedProgram {
  KernelRef kernel;
  std::vector<int> buffers;  // values
  std::vector<int> weights;  // that it reads, as numbers of Variant::late
};

struct GroupProgram {
  Runner runner = Runner::kGeneratedCode;
  KernelRef kernel;                // kGeneratedCode
  bool optimized = false;          // whether the optimizing back end made it
  TieredKernelRef tiered;          // of Tier::kAuto, on fast code: what to call, instead of kernel
  std::shared_ptr<const UnpackedProgram> unpacked;
  std::vector<int> buffers;        // values: the group's inputs, then its outputs
  int input_count = 0;
  std::vector<int> arguments;      // expressions
  int tiles = 0, passes = 0, scratch_bytes = 0, bytes_read = 0, bytes_written = 0, flops = 0;  // expressions
};

class LatePacking;  // runtime/late_packing.h

// Memory that is filled once, by whoever needs it first; a failure leaves it to be tried again.
struct OnceMemory {
  std::mutex mutex;
  std::atomic<bool> filled{false};
  AlignedBytes memory;
  std::shared_ptr<LatePacking> late;  // of Variant::late, once it is filled; null without any
};

struct Variant {
  explicit Variant(const SymbolBinder* binder) : expressions(binder) {}

  Plan plan;
  SymbolValues fixed;                          // symbols that were replaced by constants
  std::vector<Locality> localities;            // what kernels were scheduled for, if sizes of a binding say so
  std::vector<GroupProgram> groups;            // as plan.groups
  std::vector<int> late;                       // of them: those that pack weights behind the runs
  std::vector<MaterializedValue> values;
  std::vector<int> output_values;              // per output of the graph
  std::vector<int> guards;                     // expressions, as plan.graph.guards()
  ExpressionTable expressions;
  std::shared_ptr<OnceMemory> program_memory = std::make_shared<OnceMemory>();
  std::atomic<bool> has_run{false};            // a first output is there: from now on, work goes on behind the runs
  std::mutex completing;                       // held while kernels are made that CompileKernels left out
  std::atomic<bool> complete{true};            // whether they are there; they are not to be looked at before
  int kernels_compiled = 0, cache_hits = 0;
  std::vector<std::string> interpreted;        // groups that no back end took, with the reason
  std::vector<std::string> failures;           // of back ends, on kernels that they should have taken

  // Whether group `g` has its kernel: all have in the end, those that pack or read packed weights perhaps not at first.
  bool IsReady(size_t g) const {
    return complete.load(std::memory_order_acquire) || (groups[g].unpacked == nullptr && !IsLate(g));
  }
  // Whether group `g` packs a weight behind the runs.
  bool IsLate(size_t g) const { return values[groups[g].buffers.back()].place == Place::kLate; }

  // What messages call a value: an input or output by name, any other by the node it comes from.
  std::string Describe(int value) const;
};

// Lays out a plan: everything but kernels.
// Errors: Internal where the plan reads what nobody writes, or a kProgram group depends on sizes.
absl::StatusOr<std::unique_ptr<Variant>> LayOutPlan(Plan plan, SymbolValues fixed,
                                                    const SymbolBinder* binder);

}  // namespace skein

#endif  // SKEIN_RUNTIME_VARIANT_H_
