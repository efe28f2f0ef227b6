#include "codegen/kernel_names.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace skein {
namespace {

namespace fs = std::filesystem;

TEST(KernelNames, Words) {
  const auto all = ParseKernelNames("perf-map,jitdump=/a=b,gdb");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->perf_map && all->gdb);
  EXPECT_EQ(all->jitdump_folder, "/a=b");
  const auto one = ParseKernelNames("jitdump");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_FALSE(one->perf_map || one->gdb);
  EXPECT_EQ(one->jitdump_folder, ".");
  for (const std::string text :
       {"perfmap", ",gdb", "gdb,,perf-map", "jitdump=", "gdb perf-map", "GDB"}) {
    const auto options = ParseKernelNames(text);
    EXPECT_TRUE(absl::IsInvalidArgument(options.status())) << text;
  }
  EXPECT_NE(ParseKernelNames("gdb,perf").status().message().find("'perf'"),
            absl::string_view::npos);
}

// A process of its own, since the environment is read once: this program, which loads code by its
// Loader test.
class ProcessTest : public testing::Test {
 protected:
  ProcessTest() : folder_(fs::path(testing::TempDir()) / absl::StrCat("skein_names_", getpid())) {
    fs::create_directory(folder_);
  }
  ~ProcessTest() override { fs::remove_all(folder_); }

  // What it wrote, to stdout or stderr.
  std::string Run(const std::string& names) {
    const std::string command = absl::StrCat("SKEIN_KERNEL_NAMES='", names, "' ",
                                             fs::read_symlink("/proc/self/exe").string(),
                                             " --gtest_filter=Loader.RelocatesAndRuns 2>&1");
    FILE* program = popen(command.c_str(), "r");
    EXPECT_NE(program, nullptr);
    std::string text;
    char part[4096];
    while (size_t bytes = std::fread(part, 1, sizeof(part), program)) text.append(part, bytes);
    EXPECT_EQ(pclose(program), 0) << text;
    return text;
  }
  std::string folder_;
};

TEST_F(ProcessTest, WritesADumpOfWhatItLoadsAndClosesIt) {
  const std::string text = Run(absl::StrCat("gdb,jitdump=", folder_));
  EXPECT_EQ(text.find("SKEIN_KERNEL_NAMES"), std::string::npos) << text;
  ASSERT_FALSE(fs::is_empty(folder_));
  std::ifstream file(fs::directory_iterator(folder_)->path(), std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const std::string dump = bytes.str();
  // Two loads of a function "f" of 11 bytes, and the end.
  ASSERT_EQ(dump.size(), 40u + 2 * (56 + 2 + 11) + 16);
  EXPECT_EQ(dump.substr(40 + 56, 2), std::string("f\0", 2));
  EXPECT_EQ(dump[dump.size() - 16], 3);
}

TEST_F(ProcessTest, SaysOnceWhatIsWrongAndGoesOn) {
  for (const std::string& names :
       {std::string("gdb,magic"), absl::StrCat("jitdump=", folder_, "/missing")}) {
    const std::string text = Run(names);
    const size_t first = text.find("skein: SKEIN_KERNEL_NAMES: ");
    ASSERT_NE(first, std::string::npos) << text;
    EXPECT_EQ(text.find("SKEIN_KERNEL_NAMES", first + 20), std::string::npos) << text;
  }
}

TEST_F(ProcessTest, AForkedChildHasFilesOfItsOwn) {
  KernelNames names({.jitdump_folder = folder_});
  const uint8_t code[] = {0xc3};
  EXPECT_EQ(names.Announce({{{"before", code, 1}}}), nullptr);
  const pid_t child = fork();
  if (child == 0) {
    names.Announce({{{"childs", code, 1}}});
    names.Close();
    _exit(0);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  names.Close();
  const auto size = [&](pid_t pid) {
    return fs::file_size(absl::StrCat(folder_, "/jit-", pid, ".dump"));
  };
  EXPECT_EQ(size(getpid()), 40u + 56 + 7 + 1 + 16);
  EXPECT_EQ(size(child), 40u + 56 + 7 + 1 + 16);
}

}  // namespace
}  // namespace skein
