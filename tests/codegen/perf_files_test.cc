#include "codegen/perf_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"

namespace skein {
namespace {

namespace fs = std::filesystem;

const uint8_t kCode[] = {0x90, 0x90, 0xc3};

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

class PerfFilesTest : public testing::Test {
 protected:
  PerfFilesTest() : folder_(fs::path(testing::TempDir()) / absl::StrCat("skein_perf_", getpid())) {
    fs::create_directory(folder_);
  }
  ~PerfFilesTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string folder_;
};

TEST_F(PerfFilesTest, MapHasALineAKernel) {
  const auto at = reinterpret_cast<const uint8_t*>(0x7f0012345678);
  for (int i = 0; i < 2; ++i) {  // what this process wrote stays
    const auto map = PerfMap::Open(Path("perf.map"));
    ASSERT_TRUE(map.ok()) << map.status();
    ASSERT_TRUE(map->Add({absl::StrCat("skein_row_", i, "_xbyak"), at + 256 * i, 0x1a}).ok());
  }
  EXPECT_EQ(ReadWhole(Path("perf.map")),
            "7f0012345678 1a skein_row_0_xbyak\n7f0012345778 1a skein_row_1_xbyak\n");
}

TEST_F(PerfFilesTest, MapOfAnEarlierProcessIsDropped) {
  std::ofstream(Path("perf.map")) << "1000 10 somebody_elses\n";
  const timespec long_ago[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("perf.map").c_str(), long_ago, 0), 0);
  const auto map = PerfMap::Open(Path("perf.map"));
  ASSERT_TRUE(map.ok()) << map.status();
  ASSERT_TRUE(map->Add({"mine", kCode, 3}).ok());
  EXPECT_EQ(ReadWhole(Path("perf.map")).find("somebody"), std::string::npos);
  EXPECT_NE(ReadWhole(Path("perf.map")).find(" 3 mine\n"), std::string::npos);
}

TEST_F(PerfFilesTest, LinksAndMissingFoldersAreRefused) {
  std::ofstream(Path("precious")) << "text";
  fs::create_symlink(Path("precious"), Path("perf.map"));
  EXPECT_EQ(PerfMap::Open(Path("perf.map")).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReadWhole(Path("precious")), "text");
  const auto missing = JitDump::Create(Path("missing"));
  EXPECT_NE(missing.status().message().find(Path("missing")), absl::string_view::npos);
}

// A reader of the dump format, from its specification.
struct Reader {
  std::string bytes;
  size_t at = 0;
  template <typename T>
  T Take() {
    T value{};
    EXPECT_LE(at + sizeof(T), bytes.size());
    if (at + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(T));
    at += sizeof(T);
    return value;
  }
  uint32_t U32() { return Take<uint32_t>(); }
  uint64_t U64() { return Take<uint64_t>(); }
};

TEST_F(PerfFilesTest, DumpReadsBack) {
  const std::string path = absl::StrCat(folder_, "/jit-", getpid(), ".dump");
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t time = uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
  const std::vector<std::string> names = {"skein_row_1_llvm", "skein_dot_2_llvm"};
  {
    auto dump = JitDump::Create(folder_);
    ASSERT_TRUE(dump.ok()) << dump.status();
    JitDump moved = *std::move(dump);
    for (const std::string& name : names) ASSERT_TRUE(moved.Add({name, kCode, sizeof(kCode)}).ok());
    // perf record learns of the file from its executable mapping.
    EXPECT_NE(ReadWhole("/proc/self/maps").find(path), std::string::npos);
  }
  EXPECT_EQ(ReadWhole("/proc/self/maps").find(path), std::string::npos);

  Reader reader{ReadWhole(path)};
  EXPECT_EQ(reader.U32(), 0x4a695444u);
  EXPECT_EQ(reader.U32(), 1u);   // version
  EXPECT_EQ(reader.U32(), 40u);  // bytes of the header
  EXPECT_EQ(reader.U32(), 62u);  // x86-64
  reader.U32();
  EXPECT_EQ(reader.U32(), static_cast<uint32_t>(getpid()));
  EXPECT_GE(reader.U64(), time);
  EXPECT_EQ(reader.U64(), 0u);
  for (uint64_t i = 0; i < names.size(); ++i) {
    const size_t begin = reader.at;
    EXPECT_EQ(reader.U32(), 0u);  // JIT_CODE_LOAD
    const uint32_t size = reader.U32();
    const uint64_t loaded = reader.U64();
    EXPECT_GE(loaded, time);
    time = loaded;
    EXPECT_EQ(reader.U32(), static_cast<uint32_t>(getpid()));
    EXPECT_EQ(reader.U32(), static_cast<uint32_t>(gettid()));
    EXPECT_EQ(reader.U64(), reinterpret_cast<uint64_t>(kCode));
    EXPECT_EQ(reader.U64(), reinterpret_cast<uint64_t>(kCode));
    EXPECT_EQ(reader.U64(), sizeof(kCode));
    EXPECT_EQ(reader.U64(), i);
    EXPECT_EQ(reader.bytes.substr(reader.at, names[i].size() + 1), names[i] + '\0');
    reader.at += names[i].size() + 1;
    EXPECT_EQ(reader.bytes.substr(reader.at, 3), "\x90\x90\xc3");
    reader.at += 3;
    EXPECT_EQ(reader.at - begin, size);
  }
  EXPECT_EQ(reader.U32(), 3u);  // JIT_CODE_CLOSE
  EXPECT_EQ(reader.U32(), 16u);
  EXPECT_GE(reader.U64(), time);
  EXPECT_EQ(reader.at, reader.bytes.size());
}

TEST_F(PerfFilesTest, AForkedChildDoesNotEndItsParentsDump) {
  auto dump = std::make_unique<JitDump>(*JitDump::Create(folder_));
  const std::string path = absl::StrCat(folder_, "/jit-", getpid(), ".dump");
  const pid_t child = fork();
  if (child == 0) {
    dump.reset();
    _exit(0);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(fs::file_size(path), 40u);
  dump.reset();
  EXPECT_EQ(fs::file_size(path), 56u);
}

}  // namespace
}  // namespace skein
