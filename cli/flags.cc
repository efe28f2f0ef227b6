#include "cli/flags.h"

#include <charconv>

#include "absl/strings/str_split.h"
#include "runtime/host.h"

namespace skein {
namespace {

absl::StatusOr<int64_t> Number(std::string_view flag, std::string_view text, int64_t least) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least) {
    return InvalidArgument(flag, " takes a whole number of at least ", least, ", not '", text, "'");
  }
  return value;
}

absl::StatusOr<SymbolValues> ParseShape(const std::string& text) {
  SymbolValues values;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    std::vector<std::string> sides = absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (sides.size() != 2 || sides[0].empty()) {
      return InvalidArgument("--shape takes NAME=VALUE,..., not '", text, "'");
    }
    SKEIN_ASSIGN_OR_RETURN(values[sides[0]], Number("--shape " + sides[0], sides[1], 0));
  }
  return values;
}

absl::Status ParseFlag(const std::string& name, const std::string& value, Flags* flags) {
  if (name == "--shape") {
    SKEIN_ASSIGN_OR_RETURN(SymbolValues binding, ParseShape(value));
    flags->bindings.push_back(std::move(binding));
  } else if (name == "--input") {
    const size_t equals = value.find('=');
    if (equals == std::string::npos) return InvalidArgument("--input takes NAME=FILE, not '", value, "'");
    flags->inputs[value.substr(0, equals)] = value.substr(equals + 1);
  } else if (name == "--output") {
    flags->output_folder = value;
  } else if (name == "--random-weights") {
    SKEIN_ASSIGN_OR_RETURN(int64_t seed, Number(name, value, 0));
    flags->random_weights = static_cast<uint64_t>(seed);
  } else if (name == "--seed") {
    SKEIN_ASSIGN_OR_RETURN(int64_t seed, Number(name, value, 0));
    flags->input_seed = static_cast<uint64_t>(seed);
  } else if (name == "--threads" || name == "--repeat") {
    SKEIN_ASSIGN_OR_RETURN(int64_t count, Number(name, value, 1));
    if (count > 100000) return InvalidArgument(name, " of ", count, " is too large");
    (name == "--threads" ? flags->threads : flags->repeat) = static_cast<int>(count);
  } else if (name == "--tier") {
    if (value == "auto") flags->tier = Tier::kAuto;
    else if (value == "fast") flags->tier = Tier::kFast;
    else if (value == "optimized") flags->tier = Tier::kOptimized;
    else return InvalidArgument("--tier is auto, fast or optimized, not '", value, "'");
  } else if (name == "--max-isa") {
    if (value == "avx2") flags->max_isa = Isa::kAvx2;
    else if (value == "avx512") flags->max_isa = Isa::kAvx512;
    else return InvalidArgument("--max-isa is avx2 or avx512, not '", value, "'");
  } else if (name == "--emit") {
    flags->emit = value;
  } else if (name == "--group") {
    SKEIN_ASSIGN_OR_RETURN(int64_t group, Number(name, value, 0));
    flags->group = static_cast<int>(group);
  } else {
    return InvalidArgument("there is no flag ", name, "; see skein --help");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "-h") word = "--help";
    if (word.rfind("--", 0) != 0) {
      if (flags.command.empty()) flags.command = word;
      else flags.arguments.push_back(word);
      continue;
    }
    bool* const toggle = word == "--no-fuse" ? &flags.no_fuse
                         : word == "--json"  ? &flags.json
                         : word == "--help"  ? &flags.help
                         : word == "--groups" ? &flags.groups
                                             : nullptr;
    if (toggle != nullptr) {
      *toggle = true;
      continue;
    }
    const size_t equals = word.find('=');
    std::string name = word.substr(0, equals), value;
    if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return InvalidArgument(name, " needs a value");
    }
    SKEIN_RETURN_IF_ERROR(ParseFlag(name, value, &flags));
  }
  if (flags.bindings.empty()) flags.bindings.emplace_back();
  return flags;
}

absl::StatusOr<CompileOptions> OptionsOf(const Flags& flags) {
  CompileOptions options;
  SKEIN_ASSIGN_OR_RETURN(options.target, HostTarget());
  if (flags.max_isa == Isa::kAvx2) options.target.isa = Isa::kAvx2;
  options.tier = flags.tier;
  options.fuse = !flags.no_fuse;
  options.threads = flags.threads;
  return options;
}

}  // namespace skein
