// Ways to run small graphs that a test of one scheduler needs: as if out of cache, and beside pages that fault.
#ifndef SKEIN_TESTS_FUSION_GUARDED_RUN_H_
#define SKEIN_TESTS_FUSION_GUARDED_RUN_H_

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/fusion/fusion_graphs.h"

namespace skein {

// Kernels as if the caches held nothing: results stream, inputs are fetched ahead.
inline std::vector<NamedOptions> OutOfCache(std::vector<NamedOptions> ways) {
  for (NamedOptions& way : ways) {
    way.name += ", out of cache";
    way.options.target.l2_bytes = 64;
    way.options.target.stream_output_bytes = way.options.target.stream_intermediate_bytes = 1;
  }
  return ways;
}

inline std::string Replace(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// A tensor that ends where a page begins that faults, and starts at one where `at_start`.
class GuardedTensor {
 public:
  GuardedTensor(const HostTensor& like, bool at_start) : view_{like.element, like.dims, nullptr} {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t inside = (like.bytes.size() + page - 1) / page * page;
    size_ = inside + 2 * page;
    map_ = static_cast<uint8_t*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (inside > 0) mprotect(map_ + page, inside, PROT_READ | PROT_WRITE);
    uint8_t* data = at_start ? map_ + page : map_ + page + inside - like.bytes.size();
    std::copy(like.bytes.begin(), like.bytes.end(), data);
    view_.data = data;
  }
  GuardedTensor(const GuardedTensor&) = delete;
  ~GuardedTensor() { munmap(map_, size_); }
  TensorView view() const { return view_; }

 private:
  TensorView view_;
  uint8_t* map_;
  size_t size_;
};

// Runs the graph every way with tensors that end, then that start, at a page that faults: the same bits.
inline void ExpectTouchesNothingElse(const Graph& graph, const std::vector<SymbolValues>& bindings,
                                     const std::vector<NamedOptions>& ways = EveryWay()) {
  for (const NamedOptions& way : ways) {
    auto program = Program::Compile(graph, way.options);
    ASSERT_TRUE(program.ok()) << program.status();
    for (const SymbolValues& sizes : bindings) {
      std::vector<HostTensor> inputs = *DrawInputs(graph, sizes, 5);
      const std::vector<HostTensor> expected = *RunProgram(**program, inputs);
      for (bool at_start : {false, true}) {
        std::vector<std::unique_ptr<GuardedTensor>> guarded;
        std::vector<TensorView> in, out;
        for (const HostTensor& t : inputs) {
          guarded.push_back(std::make_unique<GuardedTensor>(t, at_start));
          in.push_back(guarded.back()->view());
        }
        std::vector<HostTensor> got = expected;
        for (HostTensor& t : got) {
          std::fill(t.bytes.begin(), t.bytes.end(), uint8_t{0xA5});
          guarded.push_back(std::make_unique<GuardedTensor>(t, at_start));
          out.push_back(guarded.back()->view());
        }
        ASSERT_TRUE((*program)->Run(in, out).ok());
        for (size_t i = 0; i < got.size(); ++i) {
          const auto* data = static_cast<const uint8_t*>(out[i].data);
          got[i].bytes.assign(data, data + got[i].bytes.size());
        }
        EXPECT_EQ(FirstDifference(expected, got), "") << way.name;
      }
    }
  }
}

}  // namespace skein

#endif  // SKEIN_TESTS_FUSION_GUARDED_RUN_H_
