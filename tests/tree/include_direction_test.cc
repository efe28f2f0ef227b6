// Reads every #include of the tree and fails on an arrow that docs/design.md section 1 does not
// draw, on LLVM, Xbyak and protobuf outside the one folder that may know them, and on a base/ that
// has grown.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace skein {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// What each folder may include besides itself: everything upstream of it in the picture, and for
// the users of the public API only that API and the types it is written in. Tests see everything.
const std::map<std::string, std::set<std::string>>& AllowedFolders() {
  static const auto* const allowed = [] {
    const std::set<std::string> api = {"base", "ir", "frontends", "runtime"};
    auto* table = new std::map<std::string, std::set<std::string>>{
        {"base", {}},
        {"ir", {"base"}},
        {"frontends", {"base", "ir"}},
        {"kernels", {"base", "ir"}},
        {"fusion", {"base", "ir", "kernels"}},
        {"codegen", {"base", "ir"}},
        {"runtime", {"base", "ir", "kernels", "fusion", "codegen"}},
        {"cli", api},
        {"bench", api},
        {"integrations", api},
    };
    std::set<std::string> everything = {"tests"};
    for (const auto& [folder, unused] : *table) everything.insert(folder);
    table->emplace("tests", everything);
    return table;
  }();
  return *allowed;
}

// Outside libraries that only some folders may see, by the first component of the include path.
struct Confined {
  std::string_view library;
  std::string_view prefix;              // of the include path
  std::vector<std::string_view> homes;  // path prefixes of the files that may include it
};
const std::vector<Confined>& ConfinedLibraries() {
  static const auto* const libraries = new std::vector<Confined>{
      {"LLVM", "llvm/", {"codegen/llvm/"}},
      {"LLVM", "llvm-c/", {"codegen/llvm/"}},
      {"Xbyak", "xbyak/", {"codegen/x86/"}},
      {"protobuf", "google/protobuf/", {"frontends/", "tests/"}},
      {"protobuf", "onnx/", {"frontends/", "tests/"}},
  };
  return *libraries;
}
// Outside libraries that anyone may include by a quoted path.
constexpr std::string_view kCommonPrefixes[] = {"absl/", "gtest/", "gmock/", "benchmark/"};

constexpr int kMaxBaseLines = 400;

// What is wrong with the includes of one file, one "path:line: reason" each.
//   path: relative to the repository root.   text: the file.
std::vector<std::string> IncludeViolations(const std::string& path, const std::string& text) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  const std::string folder = path.substr(0, path.find('/'));
  std::vector<std::string> violations;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (!std::regex_search(line, match, pattern)) continue;
    const bool quoted = match[1] == "\"";
    const std::string included = match[2];
    const auto report = [&](const std::string& reason) {
      violations.push_back(path + ":" + std::to_string(number) + ": " + included + ": " + reason);
    };
    const auto confined =
        std::find_if(ConfinedLibraries().begin(), ConfinedLibraries().end(),
                     [&](const Confined& c) { return included.starts_with(c.prefix); });
    if (confined != ConfinedLibraries().end()) {
      const bool at_home =
          std::any_of(confined->homes.begin(), confined->homes.end(),
                      [&](std::string_view home) { return path.starts_with(home); });
      if (!at_home) {
        report(std::string(confined->library) + " may be included only below " +
               std::string(confined->homes.front()));
      }
      continue;
    }
    const bool has_slash = included.find('/') != std::string::npos;
    const std::string target = included.substr(0, included.find('/'));
    if (has_slash && AllowedFolders().contains(target)) {
      if (target != folder && !AllowedFolders().at(folder).contains(target)) {
        report(folder + "/ may not include " + target + "/");
      }
    } else if (quoted &&
               std::none_of(std::begin(kCommonPrefixes), std::end(kCommonPrefixes),
                            [&](std::string_view p) { return included.starts_with(p); })) {
      report("not a path from the repository root");
    }
  }
  return violations;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// The C++ files of the tree, relative to its root. Build folders and hidden ones are left out.
std::vector<fs::path> SourceFiles(const fs::path& root) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& top : fs::directory_iterator(root)) {
    const std::string name = top.path().filename().string();
    if (!top.is_directory() || name.starts_with(".") || name == "build" || name == "cmake") {
      continue;
    }
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(top)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() &&
          (extension == ".h" || extension == ".cc" || extension == ".inc" || extension == ".def")) {
        files.push_back(fs::relative(entry.path(), root));
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(IncludeDirectionTest, TreeFollowsTheArrows) {
  const fs::path root = SKEIN_SOURCE_DIR;
  std::vector<std::string> violations;
  const std::vector<fs::path> files = SourceFiles(root);
  EXPECT_THAT(files, testing::Contains(fs::path("tests/tree/include_direction_test.cc")));
  for (const fs::path& file : files) {
    if (!AllowedFolders().contains(file.begin()->string())) {
      violations.push_back(file.string() + ": its folder is not in the table of this test");
      continue;
    }
    const auto found = IncludeViolations(file.string(), ReadFile(root / file));
    violations.insert(violations.end(), found.begin(), found.end());
  }
  std::string message;
  for (const std::string& violation : violations) message += violation + "\n";
  EXPECT_EQ(message, "");
}

TEST(IncludeDirectionTest, BaseStaysSmall) {
  const fs::path root = SKEIN_SOURCE_DIR;
  int64_t lines = 0;
  for (const fs::path& file : SourceFiles(root)) {
    if (file.begin()->string() != "base") continue;
    const std::string text = ReadFile(root / file);
    lines += std::count(text.begin(), text.end(), '\n');
  }
  EXPECT_LT(lines, kMaxBaseLines) << "base/ knows no tensor; what has grown belongs elsewhere";
}

// The rules on made-up files, so that a rule that stopped working is noticed.

TEST(IncludeDirectionTest, RefusesArrowsAgainstThePicture) {
  EXPECT_THAT(IncludeViolations("ir/graph.h", "#pragma once\n#include \"fusion/planner.h\"\n"),
              ElementsAre("ir/graph.h:2: fusion/planner.h: ir/ may not include fusion/"));
  EXPECT_THAT(IncludeViolations("ir/graph.h", "  #  include <runtime/program.h>\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("base/status.h", "#include \"ir/graph.h\"\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("kernels/gemm.cc", "#include \"codegen/target.h\"\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("codegen/a.cc", "#include \"kernels/gemm.h\"\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("fusion/plan.cc", "#include \"codegen/target.h\"\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("runtime/a.cc", "#include \"frontends/onnx/load.h\"\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("cli/run.cc", "#include \"fusion/plan.h\"\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("runtime/a.cc", "#include \"tests/support/a.h\"\n"), SizeIs(1));
}

TEST(IncludeDirectionTest, RefusesLibrariesOutsideTheirFolder) {
  EXPECT_THAT(IncludeViolations("codegen/a.cc", "#include \"llvm/IR/Module.h\"\n"),
              ElementsAre(HasSubstr("LLVM may be included only below codegen/llvm/")));
  EXPECT_THAT(IncludeViolations("tests/codegen/a.cc", "#include <llvm-c/Core.h>\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("codegen/llvm/a.cc", "#include <xbyak/xbyak.h>\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("ir/a.cc", "#include <onnx/onnx_pb.h>\n"), SizeIs(1));
  EXPECT_THAT(IncludeViolations("cli/a.cc", "#include <google/protobuf/message.h>\n"), SizeIs(1));
}

TEST(IncludeDirectionTest, RefusesPathsThatDoNotStartAtTheRoot) {
  EXPECT_THAT(IncludeViolations("ir/a.cc", "#include \"graph.h\"\n"),
              ElementsAre(HasSubstr("not a path from the repository root")));
  EXPECT_THAT(IncludeViolations("ir/a.cc", "#include \"../base/status.h\"\n"), SizeIs(1));
}

TEST(IncludeDirectionTest, AcceptsWhatThePictureDraws) {
  EXPECT_THAT(IncludeViolations("runtime/program.cc",
                                "#include \"runtime/program.h\"\n#include <sys/mman.h>\n"
                                "#include <vector>\n#include \"absl/status/status.h\"\n"
                                "#include \"codegen/generate.h\"\n#include \"ir/all_ops.h\"\n"),
              IsEmpty());
  EXPECT_THAT(IncludeViolations("codegen/llvm/a.cc", "#include \"llvm/IR/Module.h\"\n"), IsEmpty());
  EXPECT_THAT(IncludeViolations("codegen/x86/a.cc", "#include <xbyak/xbyak.h>\n"), IsEmpty());
  EXPECT_THAT(IncludeViolations("frontends/onnx/a.cc", "#include \"onnx/onnx_pb.h\"\n"), IsEmpty());
  EXPECT_THAT(IncludeViolations("tests/e2e/a_test.cc", "#include \"runtime/program.h\"\n"),
              IsEmpty());
}

}  // namespace
}  // namespace skein
