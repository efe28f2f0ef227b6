#include "frontends/onnx/op_table.h"

#include "absl/container/flat_hash_map.h"

namespace skein {

std::vector<std::span<const OnnxOp>> OnnxOpGroups() {
  return {PointwiseOps(), ActivationOps(), MovementOps(), SliceOps(), GatherOps(),  ReduceOps(),
          ArgReduceOps(), MatMulOps(),     NormOps(),     ShapeOps(), QuantizeOps()};
}

const OnnxOp* FindOnnxOp(std::string_view domain, std::string_view name) {
  using Table = absl::flat_hash_map<std::string, const OnnxOp*>;
  static const Table* const kTable = [] {
    auto* table = new Table;
    for (std::span<const OnnxOp> group : OnnxOpGroups()) {
      for (const OnnxOp& op : group) table->emplace(std::string(op.name), &op);
    }
    return table;
  }();
  std::string key(name);
  if (!domain.empty() && domain != "ai.onnx") key = std::string(domain) + "." + key;
  auto found = kTable->find(key);
  return found == kTable->end() ? nullptr : found->second;
}

}  // namespace skein
