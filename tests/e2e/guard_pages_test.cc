// Kernels touch no byte outside their tensors: every tensor ends where a page begins that cannot be touched, or begins
// where one ends, at every size from nothing to two vectors and around tiles.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "codegen/codegen.h"
#include "tests/support/run_graph.h"

namespace skein {
namespace {

// Memory between two pages that fault.
class GuardedTensor {
 public:
  GuardedTensor(ElementType element, const std::vector<int64_t>& dims, bool at_end) : tensor_(element, dims) {
    const size_t page = sysconf(_SC_PAGESIZE), bytes = BytesFor(element, tensor_.count());
    const size_t inside = (bytes + page) / page * page;
    mapped_ = inside + 2 * page;
    base_ = static_cast<std::byte*>(mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(base_, MAP_FAILED);
    EXPECT_EQ(mprotect(base_ + page, inside, PROT_READ | PROT_WRITE), 0);
    data_ = base_ + page + (at_end ? inside - bytes : 0);
    std::memset(base_ + page, 0xA5, inside);
  }
  ~GuardedTensor() { munmap(base_, mapped_); }
  GuardedTensor(const GuardedTensor&) = delete;
  GuardedTensor& operator=(const GuardedTensor&) = delete;

  TensorView view() const { return {tensor_.element, tensor_.dims, data_}; }
  void Set(const HostTensor& t) { std::memcpy(data_, t.bytes.data(), BytesFor(t.element, t.count())); }
  HostTensor Get() const {
    HostTensor t = tensor_;
    std::memcpy(t.bytes.data(), data_, BytesFor(t.element, t.count()));
    return t;
  }

 private:
  HostTensor tensor_;
  std::byte* base_;
  std::byte* data_;
  size_t mapped_;
};

struct Kernel {
  const char* name;
  const char* graph;
};

constexpr Kernel kKernels[] = {
    {"pointwise", R"(
      %0 = input() {name = "x"} : f32[n]
      %1 = input() {name = "y"} : f32[n]
      %2 = input() {name = "sizes"} : f32[rows]
      %3 = mul(%0, %1) : f32[n]
      %4 = add(%3, %0) : f32[n]
      output "z" = %4
    )"},
    {"bias_and_erf", R"(
      %0 = input() {name = "x"} : f32[rows, n]
      %1 = input() {name = "bias"} : f32[n]
      %2 = reshape(%1) : f32[1, n]
      %3 = broadcast(%2) : f32[rows, n]
      %4 = add(%0, %3) : f32[rows, n]
      %5 = erf(%4) : f32[rows, n]
      output "y" = %5
    )"},
    {"narrow_types", R"(
      %0 = input() {name = "q"} : i8[rows, n]
      %1 = input() {name = "scale"} : f16[rows, 1]
      %2 = cast(%0) : f32[rows, n]
      %3 = cast(%1) : f32[rows, 1]
      %4 = broadcast(%3) : f32[rows, n]
      %5 = mul(%2, %4) : f32[rows, n]
      %6 = cast(%5) : bf16[rows, n]
      output "y" = %6
    )"},
    {"softmax", R"(
      %0 = input() {name = "x"} : f32[rows, n]
      %1 = reduce(%0) {axes = (1), reducer = max<f32>} : f32[rows, 1]
      %2 = broadcast(%1) : f32[rows, n]
      %3 = sub(%0, %2) : f32[rows, n]
      %4 = exp(%3) : f32[rows, n]
      %5 = reduce(%4) {axes = (1), reducer = sum<f32>} : f32[rows, 1]
      %6 = broadcast(%5) : f32[rows, n]
      %7 = div(%4, %6) : f32[rows, n]
      output "y" = %7
    )"},
    {"sum_down_columns", R"(
      %0 = input() {name = "x"} : f32[rows, n]
      %1 = reduce(%0) {axes = (0), reducer = sum<f32>} : f32[1, n]
      output "y" = %1
    )"},
    {"softmax_down_columns", R"(
      %0 = input() {name = "x"} : f32[n, rows]
      %1 = reduce(%0) {axes = (0), reducer = max<f32>} : f32[1, rows]
      %2 = broadcast(%1) : f32[n, rows]
      %3 = sub(%0, %2) : f32[n, rows]
      output "y" = %3
    )"},
    {"transpose", R"(
      %0 = input() {name = "x"} : f32[rows, n]
      %1 = input() {name = "y"} : f32[n, rows]
      %2 = transpose(%0) {permutation = (1, 0)} : f32[n, rows]
      %3 = add(%2, %1) : f32[n, rows]
      output "z" = %3
    )"},
    {"transpose_only", R"(
      %0 = input() {name = "x"} : f32[n, rows]
      %1 = transpose(%0) {permutation = (1, 0)} : f32[rows, n]
      output "z" = %1
    )"},
    {"concat_slice_pad", R"(
      %0 = input() {name = "x"} : f32[rows, n]
      %1 = input() {name = "y"} : f32[rows, 5]
      %2 = constant() {literal = f32[] {0.5}} : f32[]
      %3 = concat(%0, %1) {axis = 1} : f32[rows, n + 5]
      %4 = slice(%3) {starts = [0, 3], steps = [1, 1]} : f32[rows, n + 2]
      %5 = pad(%4, %2) {high = [0, 1], low = [0, 2]} : f32[rows, n + 5]
      output "z" = %3
      output "w" = %5
    )"},
    {"scan", R"(
      %0 = input() {name = "x"} : f32[rows, n]
      %1 = cumsum(%0) {axis = 1} : f32[rows, n]
      output "y" = %1
    )"},
    {"product", R"(
      %0 = input() {name = "a"} : f32[rows, 7]
      %1 = input() {name = "b"} : f32[7, n]
      %2 = dot(%0, %1) : f32[rows, n]
      output "y" = %2
    )"},
};

class GuardPages : public testing::TestWithParam<Kernel> {};

INSTANTIATE_TEST_SUITE_P(Kernels, GuardPages, testing::ValuesIn(kKernels),
                         [](const auto& info) { return info.param.name; });

TEST_P(GuardPages, NothingOutsideIsTouched) {
  const absl::StatusOr<Graph> graph = ParseGraph(GetParam().graph);
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::vector<CompileOptions> ways;
  for (Tier tier : {Tier::kFast, Tier::kOptimized}) {
    for (auto [far, avx2] : {std::pair(false, false), {true, false}, {true, true}}) {
      CompileOptions& options = ways.emplace_back();
      options.tier = tier;
      Target& target = options.target;
      if (avx2) target.isa = Isa::kAvx2;
      if (far) target.l2_bytes = target.stream_output_bytes = target.stream_intermediate_bytes = 64;
    }
  }
  CompileOptions interpreted;
  interpreted.interpret = true;
  auto reference = Program::Compile(*graph, interpreted);
  ASSERT_TRUE(reference.ok()) << reference.status();
  std::vector<std::unique_ptr<Program>> programs;
  for (const CompileOptions& options : ways) {
    auto program = Program::Compile(*graph, options);
    ASSERT_TRUE(program.ok()) << program.status();
    programs.push_back(*std::move(program));
  }
  std::vector<int64_t> sizes = {47, 61, 63, 64, 65, 67, 127, 128, 129, 131};
  for (int64_t n = 0; n <= 33; ++n) sizes.push_back(n);
  for (int64_t n : sizes) {
    for (int64_t rows : {0, 1, 3, 17}) {
      absl::StatusOr<std::vector<HostTensor>> inputs = DrawInputs(*graph, {{"n", n}, {"rows", rows}}, 5);
      ASSERT_TRUE(inputs.ok()) << inputs.status();
      const auto expected = RunProgram(**reference, *inputs);
      ASSERT_TRUE(expected.ok()) << expected.status();
      for (size_t p = 0; p < programs.size(); ++p) {
        for (bool at_end : {true, false}) {
          SCOPED_TRACE(testing::Message() << "n=" << n << " rows=" << rows << " way " << p << " at end " << at_end);
          std::vector<std::unique_ptr<GuardedTensor>> guarded;
          std::vector<TensorView> in, out;
          for (const HostTensor& t : *inputs) {
            guarded.push_back(std::make_unique<GuardedTensor>(t.element, t.dims, at_end));
            guarded.back()->Set(t);
            in.push_back(guarded.back()->view());
          }
          for (const HostTensor& t : *expected) {
            guarded.push_back(std::make_unique<GuardedTensor>(t.element, t.dims, at_end));
            out.push_back(guarded.back()->view());
          }
          const absl::Status status = programs[p]->Run(in, out);
          ASSERT_TRUE(status.ok()) << status;
          std::vector<HostTensor> got;
          for (size_t i = in.size(); i < guarded.size(); ++i) got.push_back(guarded[i]->Get());
          ASSERT_EQ(FirstDifference(*expected, got), "");
        }
      }
    }
  }
}

}  // namespace
}  // namespace skein
