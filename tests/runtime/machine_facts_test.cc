#include "runtime/machine_facts.h"

#include <gtest/gtest.h>

namespace skein {
namespace {

TEST(MachineFacts, OverrideWhatTheyName) {
  Target target;
  const Target before = target;
  ASSERT_TRUE(ReadMachineFacts("# calibrated\n"
                               "l2_bytes = 2097152  # sysfs\n"
                               "\n"
                               "read_dram_gbps = 41.5  # for the reader\r\n"
                               "prefetch_bytes=0\n"
                               "stream_output_bytes = 4096",
                               &target)
                  .ok());
  EXPECT_EQ(target.l2_bytes, 2097152);
  EXPECT_EQ(target.prefetch_bytes, 0);
  EXPECT_EQ(target.stream_output_bytes, 4096);
  EXPECT_EQ(target.l1_bytes, before.l1_bytes);
  EXPECT_EQ(target.stream_intermediate_bytes, before.stream_intermediate_bytes);
}

TEST(MachineFacts, ErrorsNameTheLineAndTheValue) {
  for (const char* text : {"l1_bytes = 1024\nl2_bytes = many", "\nl2_bytes = -1", "\nl2_bytes =", "\nl2_bytes = 12345x",
                           "\nprefetch_level = 2", "\nl2_bytes = 99999999999999999999"}) {
    Target target;
    const absl::Status status = ReadMachineFacts(text, &target);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.ToString().find("line 2"), std::string::npos) << status;
  }
  Target target;
  EXPECT_FALSE(ReadMachineFacts("no equation", &target).ok());
}

}  // namespace
}  // namespace skein
