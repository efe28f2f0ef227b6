// Starts the built `skein` program, as a user would, on files that the test itself writes.
#ifndef SKEIN_TESTS_CLI_SKEIN_COMMAND_H_
#define SKEIN_TESTS_CLI_SKEIN_COMMAND_H_

#include <google/protobuf/struct.pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/frontends/model_builder.h"

namespace skein {

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  std::string out, err;
};
Outcome RunSkein(const std::vector<std::string>& arguments);
// The same, which must end with exit code 0 and print JSON.
google::protobuf::Struct RunSkeinJson(std::vector<std::string> arguments);

// Members of JSON objects; a missing one fails the test.
double NumberOf(const google::protobuf::Struct& json, const std::string& key);
std::string StringOf(const google::protobuf::Struct& json, const std::string& key);
std::vector<google::protobuf::Value> ListOf(const google::protobuf::Struct& json, const std::string& key);
std::vector<std::string> StringsOf(const google::protobuf::Struct& json, const std::string& key);

// The text of a .npy file as NumPy writes it. `descr` for example "<f4".
std::string NpyText(const std::string& descr, const std::string& shape, const std::string& data,
                    const std::string& order = "False");
template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}
std::string ReadWhole(const std::string& path);
// The elements of a .npy file, whatever its shape; its header must mention `shape`.
template <typename T>
std::vector<T> ReadNpyElements(const std::string& path, const std::string& shape) {
  const std::string text = ReadWhole(path);
  EXPECT_GE(text.size(), 128u) << path;
  if (text.size() < 128) return {};
  const size_t start = 10 + static_cast<unsigned char>(text[8]) + 256 * static_cast<unsigned char>(text[9]);
  EXPECT_EQ(start % 64, 0u) << "the data of " << path << " are not aligned";
  EXPECT_NE(text.substr(0, start).find("'shape': " + shape), std::string::npos) << text.substr(0, start);
  std::vector<T> values((text.size() - start) / sizeof(T));
  std::copy(text.begin() + start, text.end(), reinterpret_cast<char*>(values.data()));
  return values;
}

// x[batch, 4] -> the_MatMul (x W, W = 4x3 of 1, 2, ... 12) -> the_Add (+ b) -> the_Relu -> the_Softmax -> y.
std::string WritePerceptron(const TemporaryFolder& folder);
// ids[n] of i64 -> the_Gather from a 5x2 table of 0, 1, ... 9 -> the_Neg -> y[n, 2].
std::string WriteLookup(const TemporaryFolder& folder);
// One node `op` from x[n] of f32 to y, for errors and single ops.
std::string WriteUnary(const TemporaryFolder& folder, const std::string& op);

}  // namespace skein

#endif  // SKEIN_TESTS_CLI_SKEIN_COMMAND_H_
