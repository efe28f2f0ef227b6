// Tensors of a command: read from files, drawn at random, written to files.
#ifndef SKEIN_CLI_TENSORS_H_
#define SKEIN_CLI_TENSORS_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "cli/flags.h"
#include "ir/graph.h"
#include "runtime/program.h"

namespace skein {

// A tensor that owns its memory (64-byte aligned).
class OwnedTensor {
 public:
  OwnedTensor() = default;
  // Errors: InvalidArgument naming type and dims for more than this machine's memory.
  static absl::StatusOr<OwnedTensor> Make(ElementType element, std::vector<int64_t> dims);
  TensorView view() const { return view_; }
  int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  TensorView view_;
  int64_t bytes_ = 0;
  std::unique_ptr<void, Free> memory_;
};

// NumPy's .npy (format 1.0 to 3.0, C order, little-endian, the element types that NumPy has) or a TensorProto (.pb).
// Errors: InvalidArgument naming the file and what is wrong with it.
absl::StatusOr<OwnedTensor> ReadTensor(const std::string& path);
absl::Status WriteNpy(const std::string& path, const TensorView& tensor);

// The binding with 1 for the symbols that it leaves out. Errors: InvalidArgument naming one that no input has.
absl::StatusOr<SymbolValues> CompleteBinding(const Graph& graph, SymbolValues binding);

// The graph's inputs: from the flags' files, else drawn: floats standard normal, integers in the range of what they
// index, booleans and masks (integers that are only tested for zero) 0 or 1. Symbols that neither the binding nor a
// file gives are 1. Errors: InvalidArgument naming the input and the dims or type that do not fit.
absl::StatusOr<std::vector<OwnedTensor>> MakeInputs(const Graph& graph, const Flags& flags,
                                                    SymbolValues binding);
absl::StatusOr<std::vector<OwnedTensor>> MakeOutputs(Program& program, const std::vector<OwnedTensor>& inputs);
std::vector<TensorView> Views(const std::vector<OwnedTensor>& tensors);

}  // namespace skein

#endif  // SKEIN_CLI_TENSORS_H_
