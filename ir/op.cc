#include "ir/op.h"

#include "ir/all_ops.h"

namespace skein {
namespace {

const OpDef* const kDefs[] = {
#define SKEIN_OP(name) &k_##name,
#include "ir/ops.def"
#undef SKEIN_OP
};

}  // namespace

const OpDef& Def(Op op) { return *kDefs[static_cast<int>(op)]; }

int OpCount() { return static_cast<int>(std::size(kDefs)); }

std::optional<Op> ParseOp(std::string_view name) {
  for (int i = 0; i < OpCount(); ++i) {
    if (kDefs[i]->name == name) return static_cast<Op>(i);
  }
  return std::nullopt;
}

}  // namespace skein
