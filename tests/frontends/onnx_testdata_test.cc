// The models of Debian's libonnx-testdata: none may crash the import, and those that import give
// the outputs that come with them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "frontends/onnx/import.h"
#include "frontends/onnx/mapped_file.h"
#include "frontends/onnx/tensor_file.h"
#include "ir/graph_interpreter.h"
#include "onnx/onnx_pb.h"

namespace skein {
namespace {

namespace fs = std::filesystem;

constexpr char kData[] = "/usr/share/libonnx-testdata/data";

std::vector<fs::path> Folders(const std::string& group) {
  std::vector<fs::path> result;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(kData) / group)) {
    if (fs::exists(entry.path() / "model.onnx")) result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

onnx::ModelProto ReadModel(const fs::path& path) {
  onnx::ModelProto model;
  auto file = MappedFile::Open(path.string());
  if (file.ok()) model.ParseFromArray((*file)->data(), static_cast<int>((*file)->size()));
  return model;
}

bool Close(const RefTensor& got, const RefTensor& expected) {
  if (got.dims != expected.dims || got.element != expected.element) return false;
  for (int64_t i = 0; i < expected.count(); ++i) {
    if (!IsFloat(expected.element)) {
      if (got.exact[i] != expected.exact[i]) return false;
      continue;
    }
    double a = got.value[i], b = expected.value[i];
    if (std::isnan(a) && std::isnan(b)) continue;
    // ONNX's own tolerance; f16 results come from numpy's f16 arithmetic.
    double relative = BitWidth(expected.element) == 16 ? 1e-2 : 1e-3;
    if (a != b && !(std::fabs(a - b) <= 1e-6 + relative * std::fabs(b))) return false;
  }
  return true;
}

// "" if the model imports and gives the expected outputs; else why not. If it does not import as it
// is, shapes, axes and other small operands that are inputs in the file are fixed to their values.
std::string Check(const fs::path& folder) {
  onnx::ModelProto model = ReadModel(folder / "model.onnx");
  std::set<std::string> initializers;
  for (const onnx::TensorProto& t : model.graph().initializer()) initializers.insert(t.name());
  std::map<std::string, LiteralRef> inputs;
  ImportOptions options;
  for (const onnx::ValueInfoProto& input : model.graph().input()) {
    if (initializers.count(input.name())) continue;
    std::string file = "input_" + std::to_string(inputs.size()) + ".pb";
    auto literal = ReadOnnxTensorFile((folder / "test_data_set_0" / file).string());
    if (!literal.ok()) return std::string(literal.status().message());
    inputs[input.name()] = *literal;
    if (!IsFloat((*literal)->element) || (*literal)->count() == 1) {
      options.fixed_inputs[input.name()] = *literal;
    }
  }
  std::string path = (folder / "model.onnx").string();
  absl::StatusOr<Graph> graph = ImportOnnx(path);
  if (!graph.ok()) graph = ImportOnnx(path, options);
  if (!graph.ok()) return std::string(graph.status().message());

  std::vector<RefTensor> tensors;
  tensors.reserve(inputs.size());
  std::vector<std::pair<Value, const RefTensor*>> given;
  SymbolValues symbols;
  for (const Graph::Named& input : graph->inputs()) {
    const LiteralRef& literal = inputs.at(input.name);
    const Dims& dims = graph->type(input.value).dims;
    for (size_t i = 0; i < dims.size(); ++i) {
      if (dims[i].kind() == DimKind::kSymbol) {
        symbols[std::string(dims[i].symbol())] = literal->dims[i];
      }
    }
    tensors.push_back(FromRaw(literal->element, literal->dims, literal->data));
    given.emplace_back(input.value, &tensors.back());
  }
  std::vector<Value> wanted;
  for (const Graph::Named& output : graph->outputs()) wanted.push_back(output.value);
  absl::StatusOr<std::vector<RefTensor>> results = Interpret(*graph, symbols, given, wanted);
  if (!results.ok()) return "interpreting: " + std::string(results.status().message());
  for (size_t i = 0; i < wanted.size(); ++i) {
    auto literal = ReadOnnxTensorFile(
        (folder / "test_data_set_0" / ("output_" + std::to_string(i) + ".pb")).string());
    if (!literal.ok()) return std::string(literal.status().message());
    RefTensor expected = FromRaw((*literal)->element, (*literal)->dims, (*literal)->data);
    if (!Close((*results)[i], expected)) return "output " + std::to_string(i) + " differs";
  }
  return "";
}

// Every model that passes is named in a list beside this file. SKEIN_UPDATE_PASSES=1 rewrites it.
TEST(OnnxTestdata, SingleNodeModelsGiveTheirOutputs) {
  if (!fs::exists(kData)) GTEST_SKIP() << "libonnx-testdata is not installed";
  const std::string list = SKEIN_SOURCE_DIR "/tests/frontends/onnx_testdata_passes.txt";
  std::set<std::string> passing;
  int count = 0;
  for (const char* group : {"node", "pytorch-operator", "simple"}) {
    for (const fs::path& folder : Folders(group)) {
      ++count;
      std::string failure = Check(folder);
      if (failure.empty()) {
        passing.insert(group + ("/" + folder.filename().string()));
      } else if (getenv("SKEIN_PRINT_FAILURES") != nullptr) {
        std::cout << folder.filename().string() << ": " << failure << "\n";
      }
    }
  }
  std::cout << passing.size() << " of " << count << " models pass\n";
  if (getenv("SKEIN_UPDATE_PASSES") != nullptr) {
    std::ofstream out(list);
    for (const std::string& name : passing) out << name << "\n";
  }
  std::ifstream in(list);
  int listed = 0;
  for (std::string name; std::getline(in, name); ++listed) {
    EXPECT_TRUE(passing.count(name)) << name << ": " << Check(fs::path(kData) / name);
  }
  EXPECT_GE(listed, 500);
}

TEST(OnnxTestdata, WholeModelsImportOrSayWhyNot) {
  if (!fs::exists(kData)) GTEST_SKIP() << "libonnx-testdata is not installed";
  int imported = 0, count = 0;
  for (const char* group : {"pytorch-converted", "simple", "real"}) {
    for (const fs::path& folder : Folders(group)) {
      absl::StatusOr<Graph> graph = ImportOnnx((folder / "model.onnx").string());
      ++count;
      imported += graph.ok();
      EXPECT_TRUE(graph.ok() || !graph.status().message().empty());
    }
  }
  std::cout << imported << " of " << count << " models import\n";
  EXPECT_GE(imported, 40);
}

}  // namespace
}  // namespace skein
