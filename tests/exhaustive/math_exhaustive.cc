// skein_math_exhaustive: the error of every vector math function over all 2^32 f32 inputs, and over
// random f64 inputs, by compiled code on all cores, as the rows of the tables in docs/numerics.md.
// Minutes; not part of ctest.
//   skein_math_exhaustive [--stride N] [--f64] [--avx2] [--update FILE] [function ...]
//   --stride N: every N-th block of 2^14 inputs, and an N-th of the random ones.
//   --f64: only the f64 functions.   --avx2: code for AVX2.   --update FILE: writes the tables and their stamp into FILE.
//
// The f32 function is compared with the f64 function of the same name, in one kernel: that is what
// makes all inputs affordable. The f64 functions are compared with long double ones here, too. Where
// f64 sin, cos and tan state nothing (beyond 2^45), the C library's f64 functions are the reference.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "codegen/codegen.h"
#include "ir/math/accuracy.h"
#include "ir/math/vector_math.h"

namespace skein {
namespace {

constexpr int64_t kBlock = 1 << 14;
constexpr int64_t kPatterns = int64_t{1} << 32;
constexpr int64_t kPairs = 100'000'000;
constexpr int64_t kDoubles = 4'000'000;

struct Options {
  int64_t stride = 1;
  bool only_f64 = false;
  Target target;
  std::string update;
  std::vector<std::string> functions;
};

absl::StatusOr<std::unique_ptr<LoadedCode>> Compile(const LoopNest& nest, const Target& target) {
  const NamedNest named{&nest, "math"};
  SKEIN_ASSIGN_OR_RETURN(const ObjectCode object, GenerateLlvm({&named, 1}, target));
  return LoadedCode::Load(object);
}

// Vector instructions per register of f32 lanes, without moves and broadcasts.
absl::StatusOr<int> CountInstructions(EmitUnary unary, EmitBinary binary, Target target, Isa isa) {
  target.isa = isa;
  LoopNest nest;
  LoopBuilder b(&nest);
  const int lanes = target.lanes();
  const BufferId x = b.AddBuffer(BufferKind::kInput, ElementType::kF32, lanes);
  const BufferId y = b.AddBuffer(BufferKind::kInput, ElementType::kF32, lanes);
  const BufferId out = b.AddBuffer(BufferKind::kOutput, ElementType::kF32, lanes);
  const ValueId value = b.Load(x, 0, lanes);
  b.Store(out, 0, unary ? unary(b, value) : binary(b, value, b.Load(y, 0, lanes)));
  const NamedNest named{&nest, "math"};
  SKEIN_ASSIGN_OR_RETURN(const ObjectCode object, GenerateLlvm({&named, 1}, target));
  SKEIN_ASSIGN_OR_RETURN(const std::string text, Disassemble(object, 0));
  std::istringstream lines(text);
  int count = 0;
  for (std::string line, word; std::getline(lines, line);) {
    std::istringstream words(line);
    while (words >> word) {
      const bool vector = word.size() > 2 && (word[0] == 'v' || word[0] == 'k') && word[1] != '0';
      if (!vector || word.find(':') != std::string::npos) continue;
      const bool moves = word.starts_with("vmov") || word.starts_with("vbroadcast") ||
                         word.starts_with("vpbroadcast") || word.starts_with("kmov") ||
                         word == "vzeroupper";
      count += moves ? 0 : 1;
      break;
    }
  }
  return count;
}

// Merges measure(thread, first, last) on shares of [0, count), one per core.
template <typename Measure>
Accuracy InThreads(int64_t count, Measure measure) {
  const int threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Accuracy> parts(threads);
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      parts[t] = measure(t, count * t / threads, count * (t + 1) / threads);
    });
  }
  for (std::thread& thread : running) thread.join();
  for (int t = 1; t < threads; ++t) parts[0].Merge(parts[t]);
  return parts[0];
}

void Run(KernelFunction code, std::span<const void* const> inputs, void* output, int64_t count) {
  SKEIN_CHECK(RunMathNest(LoopNest(), inputs, output, count, code).ok());
}

// One block of inputs in scalar code, by `reference`.
void MeasureBlock(std::span<const float> x, KernelFunction code,
                  double (*reference)(double), Accuracy* accuracy) {
  std::vector<float> y(x.size());
  const void* in = x.data();
  Run(code, {&in, 1}, y.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = reference(x[i]);
    accuracy->Add(x[i], y[i], exact, UlpError(y[i], exact));
  }
}

// The C library's function where the f64 vector function states nothing.
double (*FarReference(std::string_view name))(double) {
  if (name == "sin") return std::sin;
  if (name == "cos") return std::cos;
  if (name == "tan") return std::tan;
  return nullptr;
}

absl::StatusOr<Accuracy> MeasureSingle(const UnaryMathFunction& function, const Options& options) {
  SKEIN_ASSIGN_OR_RETURN(const auto error_code,
                         Compile(UnaryErrorNest(function.emit), options.target));
  SKEIN_ASSIGN_OR_RETURN(const auto code, Compile(UnaryMathNest(function.emit), options.target));
  double (*const far)(double) = FarReference(function.name);
  return InThreads(kPatterns / kBlock, [&](int, int64_t first, int64_t last) {
    Accuracy accuracy;
    std::vector<float> x(kBlock), error(kBlock);
    const int64_t start = (first + options.stride - 1) / options.stride * options.stride;
    for (int64_t block = start; block < last; block += options.stride) {
      for (int64_t i = 0; i < kBlock; ++i) {
        x[i] = std::bit_cast<float>(static_cast<uint32_t>(block * kBlock + i));
      }
      if (std::fabs(x[0]) >= function.largest_f64 && std::isfinite(x[0])) {
        MeasureBlock(x, code->entry(0), far, &accuracy);
        continue;
      }
      const void* in = x.data();
      Run(error_code->entry(0), {&in, 1}, error.data(), kBlock);
      float worst = 0;
      for (float e : error) worst = e > worst ? e : worst;
      const double ulp = worst;
      accuracy.inputs += kBlock;
      if (!(ulp > accuracy.max_ulp)) continue;
      accuracy.max_ulp = ulp;
      accuracy.worst_input = x[std::find(error.begin(), error.end(), worst) - error.begin()];
    }
    return accuracy;
  });
}

// A third random bits, a third of all magnitudes from 2^-30 to 2^10, a third f32 values.
std::vector<double> RandomDoubles(int64_t count, uint32_t seed, double largest) {
  std::mt19937_64 random(seed);
  std::vector<double> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i) {
    uint64_t bits = random();
    if (i % 3 == 1) bits = (bits & 0x800fffffffffffff) | ((1023 - 30 + random() % 40) << 52);
    x[i] = i % 3 == 2 ? double{std::bit_cast<float>(static_cast<uint32_t>(bits))}
                      : std::bit_cast<double>(bits);
    if (std::fabs(x[i]) > largest && std::isfinite(x[i])) x[i] = std::remainder(x[i], largest);
  }
  return x;
}

absl::StatusOr<Accuracy> MeasureDouble(const UnaryMathFunction& function, const Options& options) {
  SKEIN_ASSIGN_OR_RETURN(
      const auto code,
      Compile(UnaryMathNest(function.emit, 64, ElementType::kF64), options.target));
  return InThreads(kDoubles / options.stride, [&](int thread, int64_t first, int64_t last) {
    const std::vector<double> x = RandomDoubles(last - first, thread + 1, function.largest_f64);
    absl::StatusOr<Accuracy> accuracy = MeasureAccuracy(function.name, x, code->entry(0));
    SKEIN_CHECK(accuracy.ok());
    return *accuracy;
  });
}

struct BinaryFunction {
  std::string_view name;
  EmitBinary emit;
  double (*reference)(double, double);
};
constexpr BinaryFunction kBinaryFunctions[] = {
    {"pow", EmitPow, std::pow}, {"atan2", EmitAtan2, std::atan2}, {"rem", EmitRem, std::fmod}};

// Half random bit patterns; half pairs of like magnitude, for pow pairs whose power neither overflows
// nor vanishes.
absl::StatusOr<Accuracy> MeasureBinary(const BinaryFunction& function, const Options& options) {
  SKEIN_ASSIGN_OR_RETURN(const auto code, Compile(BinaryMathNest(function.emit), options.target));
  return InThreads(kPairs / options.stride, [&](int thread, int64_t first, int64_t last) {
    Accuracy accuracy;
    std::mt19937 random(thread + 1);
    std::uniform_real_distribution<float> exponent(-145, 145), ratio(-4, 4);
    std::vector<float> x(kBlock), y(kBlock), output(kBlock);
    for (int64_t i = first; i < last; i += kBlock) {
      for (int64_t k = 0; k < kBlock; k += 2) {
        x[k] = std::bit_cast<float>(static_cast<uint32_t>(random()));
        y[k] = std::bit_cast<float>(static_cast<uint32_t>(random()));
        x[k + 1] = std::bit_cast<float>(static_cast<uint32_t>(random()) & 0x7fffffff);
        y[k + 1] = function.emit == EmitPow ? exponent(random) / std::log2(x[k + 1])
                                            : ratio(random) * x[k + 1];
      }
      const void* in[] = {x.data(), y.data()};
      Run(code->entry(0), in, output.data(), kBlock);
      for (int64_t k = 0; k < kBlock; ++k) {
        const double exact = function.reference(x[k], y[k]);
        accuracy.Add(x[k], output[k], exact, UlpError(output[k], exact));
      }
    }
    return accuracy;
  });
}

bool Wanted(const Options& options, std::string_view name) {
  return options.functions.empty() ||
         std::find(options.functions.begin(), options.functions.end(), name) !=
             options.functions.end();
}

std::string HexOf(double x) {
  return absl::StrFormat("`0x%08x`", std::bit_cast<uint32_t>(static_cast<float>(x)));
}

std::string Up(double ulp) { return absl::StrFormat("%.3f", std::ceil(ulp * 1000) / 1000); }

void Emit(std::string* table, const std::string& row) {
  std::printf("%s", row.c_str());
  std::fflush(stdout);
  *table += row;
}

absl::Status Measure(const Options& options, std::string* table) {
  Emit(table,
       "| function | max ULP f32 | worst input | inputs | instructions AVX-512 / AVX2 | max ULP f64 "
       "|\n|---|---|---|---|---|---|\n");
  for (const UnaryMathFunction& function : UnaryMathFunctions()) {
    if (!Wanted(options, function.name)) continue;
    SKEIN_ASSIGN_OR_RETURN(const Accuracy wide, MeasureDouble(function, options));
    if (options.only_f64) {
      std::printf("| %s | f64: %s at %a |\n", std::string(function.name).c_str(),
                  Up(wide.max_ulp).c_str(), wide.worst_input);
      continue;
    }
    SKEIN_ASSIGN_OR_RETURN(const Accuracy single, MeasureSingle(function, options));
    SKEIN_ASSIGN_OR_RETURN(const int avx512, CountInstructions(function.emit, nullptr,
                                                               options.target, Isa::kAvx512));
    SKEIN_ASSIGN_OR_RETURN(const int avx2, CountInstructions(function.emit, nullptr,
                                                             options.target, Isa::kAvx2));
    const std::string inputs =
        single.inputs == kPatterns ? "all 2^32" : absl::StrFormat("%d", single.inputs);
    Emit(table, absl::StrFormat("| %s | %s | %s | %s | %d / %d | %s |\n", function.name,
                                Up(single.max_ulp), HexOf(single.worst_input), inputs, avx512, avx2,
                                Up(wide.max_ulp)));
  }
  for (const BinaryFunction& function : kBinaryFunctions) {
    if (options.only_f64 || !Wanted(options, function.name)) continue;
    SKEIN_ASSIGN_OR_RETURN(const Accuracy single, MeasureBinary(function, options));
    SKEIN_ASSIGN_OR_RETURN(const int avx512, CountInstructions(nullptr, function.emit,
                                                               options.target, Isa::kAvx512));
    SKEIN_ASSIGN_OR_RETURN(const int avx2, CountInstructions(nullptr, function.emit,
                                                             options.target, Isa::kAvx2));
    Emit(table, absl::StrFormat("| %s | %s | %s (first) | %d random | %d / %d | |\n", function.name,
                                Up(single.max_ulp), HexOf(single.worst_input), single.inputs,
                                avx512, avx2));
  }
  return absl::OkStatus();
}

constexpr std::string_view kBegin = "<!-- measured: ", kEnd = "<!-- end of measured -->\n";

absl::Status Update(const std::string& path, const std::string& table) {
  std::ifstream in(path);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos) {
    return InvalidArgument(path, " has no place for the table");
  }
  text = text.substr(0, begin) + std::string(kBegin) + "code " + MathCodeHash().Hex() + " -->\n" +
         table + text.substr(end);
  std::ofstream(path) << text;
  return absl::OkStatus();
}

absl::Status Main(int argc, char** argv) {
  Options options;
  SKEIN_ASSIGN_OR_RETURN(options.target, HostTarget());
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--avx2") {
      options.target.isa = Isa::kAvx2;
    } else if (argument == "--f64") {
      options.only_f64 = true;
    } else if (argument == "--update" && i + 1 < argc) {
      options.update = argv[++i];
    } else if (argument == "--stride" && i + 1 < argc) {
      options.stride = std::max<int64_t>(1, std::atoll(argv[++i]));
    } else {
      options.functions.push_back(argument);
    }
  }
  if (!options.update.empty() && (options.stride != 1 || options.only_f64 || !options.functions.empty())) {
    return InvalidArgument("--update needs all functions on all inputs");
  }
  std::string table;
  SKEIN_RETURN_IF_ERROR(Measure(options, &table));
  return options.update.empty() ? absl::OkStatus() : Update(options.update, table);
}

}  // namespace
}  // namespace skein

int main(int argc, char** argv) {
  const absl::Status status = skein::Main(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
