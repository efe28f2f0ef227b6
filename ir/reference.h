// The parts of the Graph interpreter, one per class of op. Each takes dense operands and gives
// dense results.
#ifndef SKEIN_IR_REFERENCE_H_
#define SKEIN_IR_REFERENCE_H_

#include <functional>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "ir/graph_interpreter.h"
#include "ir/op.h"

namespace skein {

// One element. Floats: value and error. Integers and bools: exact; `value` is exact as a double,
// and an error above 0 says by how much rounding elsewhere may have changed it.
struct RefScalar {
  double value = 0;
  double error = 0;
  int64_t exact = 0;
};
RefScalar IntScalar(ElementType t, int64_t exact, double error = 0);

// Element access by position whatever the element type, and room for `count` elements.
RefScalar Element(const RefTensor& tensor, int64_t i);
void SetElement(RefTensor* tensor, int64_t i, const RefScalar& scalar);
RefTensor EmptyTensor(ElementType t, std::vector<int64_t> dims, bool track_error);

// A pointwise node on scalars: `reference` or `int_reference` with what holds for every op around
// it, which is the wrapping of integers, overflow into infinity, and errors that are not numbers.
class PointwiseReference {
 public:
  PointwiseReference(const Graph& graph, const Node& node);
  RefScalar operator()(std::span<const RefScalar> x) const;

 private:
  RefScalar Integer(std::span<const RefScalar> x) const;
  const Node& node_;
  const OpDef& def_;
  ElementType type_, operand_type_;
  bool integer_;  // operands and result alike
};

// A value that left the range of type t, or an error that is no number, brought in order.
// `exact_operands`: no operand had an error; `nan_operand`: some operand is surely NaN.
Bounded InOrder(ElementType t, Bounded y, bool exact_operands, bool nan_operand);

// Evaluates scalar graphs (the parts of a Reducer).
class ScalarGraph {
 public:
  explicit ScalarGraph(const Graph& graph);
  // Outputs in order, for inputs in order. Not re-entrant.
  void Run(std::span<const RefScalar> inputs, std::span<RefScalar> outputs);

 private:
  struct Step {
    int node;
    std::vector<int> operands;
    PointwiseReference reference;
  };
  std::vector<RefScalar> values_;  // by node; constants stay
  std::vector<Step> steps_;
  std::vector<int> inputs_, outputs_;
};

using RefOperands = std::span<const RefTensor* const>;

RefTensor ReferencePointwise(const Graph& graph, const Node& node, RefOperands x,
                             const InterpretOptions& options);
// Movement, also of sources given by expression (`index`). `dims`: the result's.
absl::StatusOr<RefTensor> ReferenceMovement(const Graph& graph, const Node& node,
                                            const SymbolValues& symbols, std::vector<int64_t> dims,
                                            RefOperands x);
absl::StatusOr<RefTensor> ReferenceIndex(const Node& node, const SymbolValues& symbols,
                                         std::vector<int64_t> dims);
// data: element i of the gathered tensor (so that a large table need not be converted as a whole).
absl::StatusOr<RefTensor> ReferenceGather(const Graph& graph, const Node& node,
                                          const SymbolValues& symbols, std::vector<int64_t> dims,
                                          std::span<const int64_t> data_dims,
                                          const std::function<RefScalar(int64_t)>& data,
                                          RefOperands indices);
std::vector<RefTensor> ReferenceReduce(const Node& node, RefOperands x,
                                       const InterpretOptions& options);
RefTensor ReferenceScan(const Node& node, const RefTensor& x, const InterpretOptions& options);
RefTensor ReferenceDot(const Node& node, const RefTensor& a, const RefTensor& b,
                       const InterpretOptions& options);

// c[m, n] += a[m, k] * b[k, n], all row-major f64, on one thread. In reference_gemm.cc.
void AddProduct(int64_t m, int64_t n, int64_t k, const double* a, const double* b, double* c);

// body(begin, end) over [0, count) in pieces of at least `grain`, on up to `threads` threads.
void ForRange(int64_t count, int64_t grain, int threads,
              const std::function<void(int64_t, int64_t)>& body);

// Longest chain of roundings of a sum over n elements in the orders of the numerics contract.
int64_t InnerSumChain(int64_t n);
int64_t OuterSumChain(int64_t n);
// Unit roundoff of sums in type t: f16 and bf16 are summed in f32.
double SumRoundoff(ElementType t);

}  // namespace skein

#endif  // SKEIN_IR_REFERENCE_H_
