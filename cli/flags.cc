#include "cli/flags.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/str_split.h"
#include "runtime/host.h"
#include "runtime/machine_facts.h"

namespace skein {
namespace {

constexpr int64_t kMostThreads = 1024, kMostCount = 1000000;  // beyond is a slip of the keyboard

absl::StatusOr<int64_t> Number(std::string_view flag, std::string_view text, int64_t least,
                               int64_t most = INT64_MAX) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least) {
    return InvalidArgument(flag, " takes a whole number of at least ", least, ", not '", text, "'");
  }
  if (value > most) return InvalidArgument(flag, " takes at most ", most, ", not ", value);
  return value;
}

absl::StatusOr<SymbolValues> ParseShape(const std::string& text) {
  SymbolValues values;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    std::vector<std::string> sides = absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (sides.size() != 2 || sides[0].empty()) {
      return InvalidArgument("--shape takes NAME=VALUE,..., not '", text, "'");
    }
    SKEIN_ASSIGN_OR_RETURN(int64_t value, Number("--shape " + sides[0], sides[1], 0));
    if (!values.try_emplace(sides[0], value).second) {
      return InvalidArgument("--shape gives '", sides[0], "' twice: '", text, "'");
    }
  }
  return values;
}

absl::Status SetShape(const std::string& value, Flags* flags) {
  SKEIN_ASSIGN_OR_RETURN(SymbolValues binding, ParseShape(value));
  flags->bindings.push_back(std::move(binding));
  return absl::OkStatus();
}

absl::Status SetInput(const std::string& value, Flags* flags) {
  const size_t equals = value.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == value.size()) {
    return InvalidArgument("--input takes NAME=FILE, not '", value, "'");
  }
  flags->inputs[value.substr(0, equals)] = value.substr(equals + 1);
  return absl::OkStatus();
}

absl::Status SetOutput(const std::string& value, Flags* flags) {
  if (value.empty()) return InvalidArgument("--output takes a folder");
  flags->output_folder = value;
  return absl::OkStatus();
}

absl::Status SetRandomWeights(const std::string& value, Flags* flags) {
  SKEIN_ASSIGN_OR_RETURN(int64_t seed, Number("--random-weights", value, 0));
  flags->random_weights = static_cast<uint64_t>(seed);
  return absl::OkStatus();
}

absl::Status SetSeed(const std::string& value, Flags* flags) {
  SKEIN_ASSIGN_OR_RETURN(int64_t seed, Number("--seed", value, 0));
  flags->input_seed = static_cast<uint64_t>(seed);
  return absl::OkStatus();
}

absl::Status SetThreads(const std::string& value, Flags* flags) {
  SKEIN_ASSIGN_OR_RETURN(int64_t count, Number("--threads", value, 1, kMostThreads));
  flags->threads = static_cast<int>(count);
  return absl::OkStatus();
}

absl::Status SetRepeat(const std::string& value, Flags* flags) {
  SKEIN_ASSIGN_OR_RETURN(int64_t count, Number("--repeat", value, 1, kMostCount));
  flags->repeat = static_cast<int>(count);
  return absl::OkStatus();
}

absl::Status SetTier(const std::string& value, Flags* flags) {
  if (value == "auto") flags->tier = Tier::kAuto;
  else if (value == "fast") flags->tier = Tier::kFast;
  else if (value == "optimized") flags->tier = Tier::kOptimized;
  else return InvalidArgument("--tier is auto, fast or optimized, not '", value, "'");
  return absl::OkStatus();
}

absl::Status SetMaxIsa(const std::string& value, Flags* flags) {
  if (value == "avx2") flags->max_isa = Isa::kAvx2;
  else if (value == "avx512") flags->max_isa = Isa::kAvx512;
  else return InvalidArgument("--max-isa is avx2 or avx512, not '", value, "'");
  return absl::OkStatus();
}

absl::Status SetMachine(const std::string& value, Flags* flags) {
  flags->machine = value;
  return absl::OkStatus();
}

absl::Status SetEmit(const std::string& value, Flags* flags) {
  flags->emit = value;
  return absl::OkStatus();
}

absl::Status SetGroup(const std::string& value, Flags* flags) {
  SKEIN_ASSIGN_OR_RETURN(int64_t group, Number("--group", value, 0, kMostCount));
  flags->group = static_cast<int>(group);
  return absl::OkStatus();
}

struct ValueFlag {
  std::string_view name;
  absl::Status (*set)(const std::string& value, Flags* flags);
};
constexpr ValueFlag kValueFlags[] = {
    {"--shape", SetShape},     {"--input", SetInput},     {"--output", SetOutput}, {"--random-weights", SetRandomWeights},
    {"--seed", SetSeed},       {"--threads", SetThreads}, {"--repeat", SetRepeat}, {"--tier", SetTier},
    {"--max-isa", SetMaxIsa},  {"--emit", SetEmit},       {"--group", SetGroup},
    {"--machine", SetMachine},
};

// The flags without a value.
bool* FindToggle(const std::string& name, Flags* flags) {
  if (name == "--no-fuse") return &flags->no_fuse;
  if (name == "--pack-first") return &flags->pack_first;
  if (name == "--json") return &flags->json;
  if (name == "--help") return &flags->help;
  if (name == "--groups") return &flags->groups;
  return nullptr;
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "-h") word = "--help";
    if (word.empty() || word[0] != '-') {
      if (flags.command.empty()) flags.command = word;
      else flags.arguments.push_back(word);
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (bool* const toggle = FindToggle(name, &flags)) {
      if (equals != std::string::npos) return InvalidArgument(name, " takes no value: '", word, "'");
      *toggle = true;
      continue;
    }
    const auto* flag =
        std::find_if(std::begin(kValueFlags), std::end(kValueFlags), [&](const ValueFlag& f) { return f.name == name; });
    if (flag == std::end(kValueFlags)) return InvalidArgument("there is no flag ", name, "; see skein --help");
    std::string value;
    if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (i + 1 < argc && std::string_view(argv[i + 1]).substr(0, 2) != "--") {
      value = argv[++i];
    } else {
      return InvalidArgument(name, " needs a value");
    }
    SKEIN_RETURN_IF_ERROR(flag->set(value, &flags));
  }
  if (flags.bindings.empty()) flags.bindings.emplace_back();
  return flags;
}

absl::StatusOr<CompileOptions> OptionsOf(const Flags& flags) {
  CompileOptions options;
  SKEIN_ASSIGN_OR_RETURN(options.target, HostTarget());
  if (flags.max_isa == Isa::kAvx2) {
    options.target.isa = Isa::kAvx2;
    options.target.vnni = false;  // an AVX-512 extension
  }
  if (!flags.machine.empty()) {
    std::ifstream file(flags.machine);
    std::stringstream text;
    if (!file || !(text << file.rdbuf())) return InvalidArgument("--machine: cannot read '", flags.machine, "'");
    SKEIN_RETURN_IF_ERROR(Annotate(ReadMachineFacts(text.str(), &options.target), flags.machine));
  }
  options.tier = flags.tier;
  options.fuse = !flags.no_fuse;
  options.pack_first = flags.pack_first;
  options.threads = flags.threads;
  return options;
}

}  // namespace skein
