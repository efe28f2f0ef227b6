// skein_math_exhaustive: the error of every vector math function over all 2^32 inputs, with
// compiled code on two threads, as the rows of the table in docs/numerics.md. Not part of ctest: an
// hour.
//   skein_math_exhaustive [--focus] [--stride N] [--avx2] [function ...]
//   --stride N: every N-th input, and 10^8 / N random pairs for pow.   --avx2: code for AVX2.
//   --focus: every input with 2^-13 <= |x| < 128 (sin, cos, tan: their whole range), every 97th of
//            the others: where the functions bend, in a tenth of the time.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "codegen/codegen.h"
#include "ir/math/accuracy.h"
#include "ir/math/vector_math.h"

namespace skein {
namespace {

constexpr int kThreads = 2;
constexpr int64_t kChunk = 1 << 14;

struct Options {
  int64_t stride = 1;
  bool focus = false;
  Target target;
  std::vector<std::string> functions;
};

absl::StatusOr<std::unique_ptr<LoadedCode>> Compile(const LoopNest& nest, const Target& target) {
  const NamedNest named{&nest, "math"};
  SKEIN_ASSIGN_OR_RETURN(const ObjectCode object, GenerateLlvm({&named, 1}, target));
  return LoadedCode::Load(object);
}

// Instructions that are not constants: what one vector costs, roughly.
int CountOperations(const LoopNest& nest) {
  int count = 0;
  for (int i = 0; i < nest.inst_count(); ++i) {
    const Opcode op = nest.inst(InstId(i)).op;
    count += op != Opcode::kConst && op != Opcode::kBitcast && op != Opcode::kLoad &&
             op != Opcode::kStore && op != Opcode::kLoop;
  }
  return count;
}

void PrintRow(std::string_view name, const Accuracy& a, int operations) {
  std::printf("| %s | %.3f | %d | 0x%08x = %.9g | %lld |\n", std::string(name).c_str(), a.max_ulp,
              operations, std::bit_cast<uint32_t>(a.worst_input), a.worst_input,
              static_cast<long long>(a.inputs));
  std::fflush(stdout);
}

// Calls measure(thread, first, last) on shares of [0, count) in kThreads threads and merges the
// results.
template <typename Measure>
Accuracy InThreads(int64_t count, Measure measure) {
  std::array<Accuracy, kThreads> parts;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back(
        [&, t] { parts[t] = measure(t, count * t / kThreads, count * (t + 1) / kThreads); });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 1; t < kThreads; ++t) parts[0].Merge(parts[t]);
  return parts[0];
}

constexpr int64_t kFocusStride = 97;
constexpr int64_t kPatterns = int64_t{1} << 32;

// The input after the bit pattern `i`.
int64_t NextInput(int64_t i, const Options& options, double largest) {
  if (!options.focus) return i + options.stride;
  ++i;
  const float x = std::fabs(std::bit_cast<float>(static_cast<uint32_t>(i)));
  if (x >= 0x1p-13f && x < (std::isinf(largest) ? 128 : largest)) return i;
  // Outside the focus: to the next multiple, but not past the beginning of the focus.
  const int64_t next = (i + kFocusStride - 1) / kFocusStride * kFocusStride;
  const int64_t begin = (i & (int64_t{1} << 31)) | std::bit_cast<uint32_t>(0x1p-13f);
  return i < begin ? std::min(next, begin) : next;
}

absl::Status MeasureUnary(const UnaryMathFunction& function, const Options& options) {
  const LoopNest nest = UnaryMathNest(function.emit);
  SKEIN_ASSIGN_OR_RETURN(const std::unique_ptr<LoadedCode> code, Compile(nest, options.target));
  const DoubleFunction reference = MathReference(function.name);
  const Accuracy total = InThreads(kPatterns, [&](int, int64_t first, int64_t last) {
    Accuracy accuracy;
    std::vector<float> inputs, output;
    int64_t i = (first + options.stride - 1) / options.stride * options.stride;
    while (i < last) {
      inputs.clear();
      for (; i < last && static_cast<int64_t>(inputs.size()) < kChunk;
           i = NextInput(i, options, function.largest)) {
        const float x = std::bit_cast<float>(static_cast<uint32_t>(i));
        if (!(std::fabs(x) > function.largest) || std::isinf(x)) inputs.push_back(x);
      }
      output.resize(inputs.size());
      const absl::Status status = RunMathNest(nest, {{inputs}}, output, code->entry(0));
      SKEIN_CHECK(status.ok());
      for (size_t k = 0; k < inputs.size(); ++k) {
        accuracy.Add(inputs[k], output[k], reference(inputs[k]));
      }
    }
    return accuracy;
  });
  PrintRow(function.name, total, CountOperations(nest));
  return absl::OkStatus();
}

// Half random bit patterns, half pairs whose power neither overflows nor vanishes.
absl::Status MeasurePow(const Options& options) {
  const LoopNest nest = BinaryMathNest(EmitPow);
  SKEIN_ASSIGN_OR_RETURN(const std::unique_ptr<LoadedCode> code, Compile(nest, options.target));
  const int64_t pairs = 100'000'000 / options.stride;
  const Accuracy total = InThreads(pairs, [&](int thread, int64_t first, int64_t last) {
    Accuracy accuracy;
    std::mt19937 random(thread + 1);
    std::uniform_real_distribution<float> exponent(-145, 145);
    std::vector<float> x(kChunk), y(kChunk), output(kChunk);
    for (int64_t i = first; i < last; i += kChunk) {
      for (int64_t k = 0; k < kChunk; k += 2) {
        x[k] = std::bit_cast<float>(static_cast<uint32_t>(random()));
        y[k] = std::bit_cast<float>(static_cast<uint32_t>(random()));
        x[k + 1] = std::bit_cast<float>(static_cast<uint32_t>(random()) & 0x7fffffff);
        y[k + 1] = exponent(random) / std::log2(x[k + 1]);
      }
      const absl::Status status = RunMathNest(nest, {{x, y}}, output, code->entry(0));
      SKEIN_CHECK(status.ok());
      for (int64_t k = 0; k < kChunk; ++k) {
        const double exact = std::pow(static_cast<double>(x[k]), static_cast<double>(y[k]));
        accuracy.Add(x[k], output[k], exact);
      }
    }
    return accuracy;
  });
  PrintRow("pow", total, CountOperations(nest));
  return absl::OkStatus();
}

absl::Status Run(const Options& options) {
  std::printf(
      "| function | max ULP | operations | worst input | inputs |\n|---|---|---|---|---|\n");
  if (options.functions.empty()) {
    for (const UnaryMathFunction& function : UnaryMathFunctions()) {
      SKEIN_RETURN_IF_ERROR(MeasureUnary(function, options));
    }
    return MeasurePow(options);
  }
  for (const std::string& name : options.functions) {
    const UnaryMathFunction* function = FindUnaryMathFunction(name);
    if (function == nullptr && name != "pow") return InvalidArgument("no function ", name);
    SKEIN_RETURN_IF_ERROR(function != nullptr ? MeasureUnary(*function, options)
                                              : MeasurePow(options));
  }
  return absl::OkStatus();
}

absl::Status Main(int argc, char** argv) {
  Options options;
  SKEIN_ASSIGN_OR_RETURN(options.target, HostTarget());
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--avx2") {
      options.target.isa = Isa::kAvx2;
    } else if (argument == "--focus") {
      options.focus = true;
    } else if (argument == "--stride" && i + 1 < argc) {
      options.stride = std::max<int64_t>(1, std::atoll(argv[++i]));
    } else {
      options.functions.push_back(argument);
    }
  }
  return Run(options);
}

}  // namespace
}  // namespace skein

int main(int argc, char** argv) {
  const absl::Status status = skein::Main(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
