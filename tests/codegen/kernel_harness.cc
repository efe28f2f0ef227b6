#include "tests/codegen/kernel_harness.h"

#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "absl/strings/str_join.h"
#include "codegen/legalize.h"

namespace skein {
namespace {

size_t PageBytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

SymbolValues Symbols(const std::vector<int64_t>& arguments) {
  SymbolValues symbols;
  for (size_t i = 0; i < arguments.size(); ++i) symbols[absl::StrCat("a", i)] = arguments[i];
  return symbols;
}

int64_t Value(DimExpr e, const std::vector<int64_t>& arguments) {
  const absl::StatusOr<int64_t> value = Evaluate(e, Symbols(arguments));
  EXPECT_TRUE(value.ok()) << value.status();
  return value.value_or(0);
}

template <typename T>
void Put(uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

void FillRandom(ElementType element, Bytes& bytes, std::mt19937& random) {
  const int width = static_cast<int>(BytesFor(element, 1));
  std::normal_distribution<double> normal(0.0, 2.0);
  for (size_t i = 0; i + width <= bytes.size(); i += width) {
    const bool special = random() % 16 == 0;
    constexpr double kSpecial[] = {0.0, -0.0, 1.0, INFINITY, -INFINITY, NAN, 1e-40, 3e38, -2.5};
    const double value = special ? kSpecial[random() % 9] : normal(random);
    switch (element) {
      case ElementType::kBool:
        bytes[i] = random() & 1;
        break;
      case ElementType::kF32:
        Put(&bytes[i], static_cast<float>(value));
        break;
      case ElementType::kF64:
        Put(&bytes[i], value);
        break;
      default:
        for (int b = 0; b < width; ++b) bytes[i + b] = static_cast<uint8_t>(random());
    }
  }
}

uint64_t ElementBits(ElementType element, const Bytes& bytes, int64_t i) {
  if (BitWidth(element) == 4) return bytes[i / 2] >> (i % 2 * 4) & 15;
  uint64_t bits = 0;
  const int width = static_cast<int>(BytesFor(element, 1));
  std::memcpy(&bits, &bytes[i * width], width);
  return bits;
}

bool IsNan(ElementType element, uint64_t bits) {
  switch (element) {
    case ElementType::kF16:
      return (bits & 0x7fff) > 0x7c00;
    case ElementType::kBF16:
      return (bits & 0x7fff) > 0x7f80;
    case ElementType::kF32:
      return (bits & 0x7fffffff) > 0x7f800000;
    case ElementType::kF64:
      return (bits & ~(uint64_t{1} << 63)) > 0x7ff0000000000000;
    default:
      return false;
  }
}

// Maps the buffers of a case, calls `run`, and copies the buffers back.
template <typename Run>
absl::StatusOr<KernelOutcome> WithBuffers(const KernelCase& run_case, const LoopNest& nest,
                                          Run run) {
  std::vector<GuardedBytes> memory;
  std::vector<void*> pointers;
  for (size_t i = 0; i < run_case.buffers.size(); ++i) {
    const int shared = nest.buffers[i].in_place_with;
    memory.emplace_back(run_case.buffers[i].size());
    if (shared >= 0) {
      pointers.push_back(pointers[shared]);
      continue;
    }
    if (!run_case.buffers[i].empty()) {
      std::memcpy(memory[i].data(), run_case.buffers[i].data(), run_case.buffers[i].size());
    }
    pointers.push_back(memory[i].data());
  }
  const size_t scratch_bytes =
      static_cast<size_t>(Value(LayOutScratch(nest).bytes, run_case.arguments));
  // Rounded up, so that the start is aligned although the end touches the guard.
  GuardedBytes scratch((scratch_bytes + 63) / 64 * 64);
  if (scratch.size() > 0) std::memset(scratch.data(), 0xff, scratch.size());
  KernelOutcome outcome;
  const KernelArgs args{pointers.data(), run_case.arguments.data(), &outcome.status};
  const int64_t tiles = Value(TileCount(nest), run_case.arguments);
  SKEIN_RETURN_IF_ERROR(run(args, tiles, scratch.data()));
  for (size_t i = 0; i < run_case.buffers.size(); ++i) {
    const uint8_t* bytes = static_cast<const uint8_t*>(pointers[i]);
    outcome.buffers.emplace_back(bytes, bytes + run_case.buffers[i].size());
  }
  return outcome;
}

// While it lives, signals that say that code is wrong jump to `where`, on the thread that raised them.
class CrashCatcher {
 public:
  CrashCatcher() {
    struct sigaction action {};
    action.sa_handler = [](int signal) { siglongjmp(where, signal); };
    for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~CrashCatcher() {
    for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  CrashCatcher(const CrashCatcher&) = delete;
  CrashCatcher& operator=(const CrashCatcher&) = delete;

  static thread_local sigjmp_buf where;

 private:
  static constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  std::array<struct sigaction, kSignals.size()> before_;
};
thread_local sigjmp_buf CrashCatcher::where;

}  // namespace

GuardedBytes::GuardedBytes(size_t bytes) : size_(bytes) {
  const size_t page = PageBytes();
  const size_t inner = (bytes + page - 1) / page * page;
  mapped_ = inner + 2 * page;
  mapping_ = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_NE(mapping_, MAP_FAILED);
  uint8_t* first = static_cast<uint8_t*>(mapping_) + page;
  if (inner > 0) {
    EXPECT_EQ(mprotect(first, inner, PROT_READ | PROT_WRITE), 0);
  }
  data_ = first + (inner - bytes);
}

GuardedBytes::~GuardedBytes() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

GuardedBytes::GuardedBytes(GuardedBytes&& other) noexcept
    : data_(other.data_),
      size_(other.size_),
      mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(other.mapped_) {}

KernelCase MakeCase(const LoopNest& nest, std::vector<int64_t> arguments, uint32_t seed) {
  std::mt19937 random(seed);
  KernelCase run{&nest, std::move(arguments), {}};
  for (const Buffer& buffer : nest.buffers) {
    if (buffer.kind == BufferKind::kScratch) continue;
    const int64_t elements = Value(buffer.size, run.arguments);
    Bytes bytes(static_cast<size_t>(BytesFor(buffer.element, elements)), 0x5a);
    if (buffer.kind == BufferKind::kInput) FillRandom(buffer.element, bytes, random);
    if (buffer.in_place_with >= 0) bytes = run.buffers[buffer.in_place_with];
    run.buffers.push_back(std::move(bytes));
  }
  return run;
}

absl::StatusOr<KernelOutcome> Interpret(const KernelCase& run, const LoopNest& nest) {
  return WithBuffers(run, nest, [&](const KernelArgs& args, int64_t tiles, void* scratch) {
    return InterpretLoopNest(nest, args, 0, tiles, scratch);
  });
}

absl::StatusOr<KernelOutcome> Execute(const KernelCase& run, KernelFunction kernel) {
  return WithBuffers(run, *run.nest, [&](const KernelArgs& args, int64_t tiles, void* scratch) {
    const CrashCatcher catcher;
    // Nothing lies between here and the kernel that a jump would leave undone.
    if (const int signal = sigsetjmp(CrashCatcher::where, 1); signal != 0) {
      return Internal("the kernel crashed: ", strsignal(signal));
    }
    kernel(&args, 0, tiles / 3, scratch);
    kernel(&args, tiles / 3, tiles, scratch);
    return absl::OkStatus();
  });
}

absl::StatusOr<KernelOutcome> Execute(const KernelCase& run, Generator generate,
                                      const Target& target) {
  const NamedNest named{run.nest, "kernel"};
  SKEIN_ASSIGN_OR_RETURN(const ObjectCode object, generate({&named, 1}, target));
  SKEIN_ASSIGN_OR_RETURN(const auto loaded, LoadedCode::Load(object));
  return Execute(run, loaded->entry(0));
}

std::string Difference(const LoopNest& nest, const KernelOutcome& want, const KernelOutcome& got) {
  if (want.status != got.status) {
    return absl::StrCat("status ", absl::Hex(got.status), " instead of ", absl::Hex(want.status));
  }
  for (size_t i = 0; i < want.buffers.size(); ++i) {
    const ElementType element = nest.buffers[i].element;
    const int64_t count = static_cast<int64_t>(want.buffers[i].size()) * 8 / BitWidth(element);
    for (int64_t j = 0; j < count; ++j) {
      const uint64_t a = ElementBits(element, want.buffers[i], j);
      const uint64_t b = ElementBits(element, got.buffers[i], j);
      if (a == b || (IsNan(element, a) && IsNan(element, b))) continue;
      return absl::StrCat("buffer ", i, " [", j, "]: 0x", absl::Hex(b), " instead of 0x",
                          absl::Hex(a));
    }
  }
  return "";
}

void ExpectAllAgree(const KernelCase& run, Generator generate) {
  ExpectAllAgree(std::vector<KernelCase>{run}, generate);
}

void ExpectAllAgree(const std::vector<KernelCase>& cases, Generator generate) {
  const LoopNest& nest = *cases[0].nest;
  ASSERT_TRUE(Verify(nest).ok()) << Verify(nest) << "\n" << nest.ToString();
  const absl::StatusOr<Target> host = HostTarget();
  ASSERT_TRUE(host.ok()) << host.status();
  for (Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (isa > host->isa) continue;
    Target target = *host;
    target.isa = isa;
    SCOPED_TRACE(isa == Isa::kAvx2 ? "AVX2" : "AVX-512");
    const absl::StatusOr<LoopNest> legal = Legalize(nest, target);
    ASSERT_TRUE(legal.ok()) << legal.status() << "\n" << nest.ToString();
    ASSERT_TRUE(Verify(*legal).ok()) << Verify(*legal) << "\n" << legal->ToString();
    const NamedNest named{&nest, "kernel"};
    const absl::StatusOr<ObjectCode> object = generate({&named, 1}, target);
    ASSERT_TRUE(object.ok()) << object.status() << "\n" << nest.ToString();
    const auto loaded = LoadedCode::Load(*object);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    for (const KernelCase& run : cases) {
      const absl::StatusOr<KernelOutcome> want = Interpret(run, nest);
      ASSERT_TRUE(want.ok()) << want.status() << "\n" << nest.ToString();
      const absl::StatusOr<KernelOutcome> interpreted = Interpret(run, *legal);
      ASSERT_TRUE(interpreted.ok()) << interpreted.status() << "\n" << legal->ToString();
      const absl::StatusOr<KernelOutcome> executed = Execute(run, (*loaded)->entry(0));
      ASSERT_TRUE(executed.ok()) << executed.status();
      const std::string sizes = absl::StrCat("arguments ", absl::StrJoin(run.arguments, ", "));
      ASSERT_EQ(Difference(nest, *want, *interpreted), "") << sizes << "\n"
                                                           << nest.ToString() << "\nlegalized:\n"
                                                           << legal->ToString();
      ASSERT_EQ(Difference(nest, *want, *executed), "") << sizes << "\ngenerated code of:\n"
                                                        << nest.ToString();
    }
  }
}

}  // namespace skein
