#include "tests/cli/skein_command.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <numeric>
#include <sstream>

namespace skein {

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << "cannot read " << path;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Outcome RunSkein(const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  const std::string program = SKEIN_BIN_DIR "/skein", out = folder.path() + "/out", err = folder.path() + "/err";
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    dup2(open(out.c_str(), flags, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), flags, 0600), STDERR_FILENO);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  EXPECT_GT(child, 0) << "fork";
  int status = 0;
  waitpid(child, &status, 0);
  Outcome outcome;
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  outcome.out = ReadWhole(out);
  outcome.err = ReadWhole(err);
  return outcome;
}

google::protobuf::Struct RunSkeinJson(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome outcome = RunSkein(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  google::protobuf::Struct json;
  const auto status = google::protobuf::util::JsonStringToMessage(outcome.out, &json);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << outcome.out;
  return json;
}

namespace {

const google::protobuf::Value& Member(const google::protobuf::Struct& json, const std::string& key,
                                      google::protobuf::Value::KindCase kind) {
  static const google::protobuf::Value none;
  auto it = json.fields().find(key);
  if (it == json.fields().end() || it->second.kind_case() != kind) {
    ADD_FAILURE() << "no '" << key << "', or of another type, in:\n" << json.DebugString();
    return none;
  }
  return it->second;
}

}  // namespace

double NumberOf(const google::protobuf::Struct& json, const std::string& key) {
  return Member(json, key, google::protobuf::Value::kNumberValue).number_value();
}

std::string StringOf(const google::protobuf::Struct& json, const std::string& key) {
  return Member(json, key, google::protobuf::Value::kStringValue).string_value();
}

std::vector<google::protobuf::Value> ListOf(const google::protobuf::Struct& json, const std::string& key) {
  const auto& values = Member(json, key, google::protobuf::Value::kListValue).list_value().values();
  return {values.begin(), values.end()};
}

std::vector<std::string> StringsOf(const google::protobuf::Struct& json, const std::string& key) {
  std::vector<std::string> strings;
  for (const google::protobuf::Value& v : ListOf(json, key)) strings.push_back(v.string_value());
  return strings;
}

std::string NpyText(const std::string& descr, const std::string& shape, const std::string& data,
                    const std::string& order) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + data;
}

std::string WritePerceptron(const TemporaryFolder& folder) {
  ModelBuilder model;
  std::vector<float> weights(12);
  std::iota(weights.begin(), weights.end(), 1.0f);
  model.Input("x", kFloat, {"batch", "4"}).Output("y", kFloat);
  model.Floats("w", {4, 3}, weights);
  model.Floats("b", {3}, {0.5f, -1.0f, 0.25f});
  model.Node("MatMul", {"x", "w"}, {"xw"});
  model.Node("Add", {"xw", "b"}, {"sum"});
  model.Node("Relu", {"sum"}, {"positive"});
  model.Node("Softmax", {"positive"}, {"y"});
  return folder.Write("perceptron.onnx", model.model().SerializeAsString());
}

std::string WriteLookup(const TemporaryFolder& folder) {
  ModelBuilder model;
  std::vector<float> table(10);
  std::iota(table.begin(), table.end(), 0.0f);
  model.Input("ids", kInt64, {"n"}).Output("y", kFloat);
  model.Floats("table", {5, 2}, table);
  model.Node("Gather", {"table", "ids"}, {"rows"});
  model.Node("Neg", {"rows"}, {"y"});
  return folder.Write("lookup.onnx", model.model().SerializeAsString());
}

std::string WriteUnary(const TemporaryFolder& folder, const std::string& op) {
  ModelBuilder model;
  model.Input("x", kFloat, {"n"}).Output("y", kFloat);
  model.Node(op, {"x"}, {"y"});
  return folder.Write(op + ".onnx", model.model().SerializeAsString());
}

}  // namespace skein
