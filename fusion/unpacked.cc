#include "fusion/unpacked.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "fusion/emitter.h"
#include "fusion/schedule.h"

namespace skein {
namespace {

// Which element of the weight `demand` is, if only movement without conditions lies between.
std::optional<Demand> InWeight(const Graph& graph, Value weight, Demand demand) {
  while (demand.value != weight) {
    const std::optional<std::vector<Piece>> pieces = MovementPieces(graph, demand.value.node);
    if (!pieces) return std::nullopt;
    std::vector<Demand> demands = PieceDemands(graph, demand, *pieces);
    if (demands.size() != 1 || !demands[0].condition.IsConst(1)) return std::nullopt;
    demand = std::move(demands[0]);
  }
  return demand;
}

// The address in the weight of `lanes` elements at `address` in what it is packed to, if they are adjacent there too.
std::optional<DimExpr> AddressInWeight(const Graph& graph, const PackedWeight& w, DimExpr address, int lanes) {
  const DimExpr lane = DimExpr::Coord(kPlaceholder, lanes);
  const Dims coords = Delinearize(address + (lanes == 1 ? DimExpr(0) : lane), graph.type(w.packed).dims);
  const std::optional<Demand> source = InWeight(graph, w.weight, {w.packed, coords});
  if (!source) return std::nullopt;
  const DimExpr place = Linearize(source->coords, graph.type(w.weight).dims);
  if (lanes == 1) return place;
  const std::optional<Affine> affine = AsAffine(place, kPlaceholder);
  if (!affine || !affine->stride.IsConst(1)) return std::nullopt;
  return affine->base;
}

// Panels of a packed weight are read from end to end, and the processor fetches ahead. Rows of a weight as it lies are pages
// apart: each would be waited for. So where register tiles in turn read one panel, they fetch what the next panel
// reads: in step k of tile i, the line i (modulo a row's lines) of row k. BERT base takes 99.5 ms in place of 107, where packed
// weights take 98; a row fetched a few rows ahead comes too late, and with all its lines in every tile costs what it saves.
//   loops: around the block. Returns whether the first loads of the weight have been found.
bool FetchNextPanel(BufferId weight, BlockId block, std::vector<InstId>* loops, LoopNest* nest) {
  constexpr int64_t kLine = 64;  // bytes
  for (const InstId id : nest->block(block).insts) {
    const Inst& inst = nest->inst(id);
    if (inst.op == Opcode::kLoop) {
      loops->push_back(id);
      if (FetchNextPanel(weight, inst.body, loops, nest)) return true;
      loops->pop_back();
    }
    if (inst.op != Opcode::kLoad || inst.buffer != weight || inst.type.lanes == 1) continue;
    if (loops->size() < 3) return true;
    auto per_step = [&](InstId loop) {
      const std::optional<Affine> affine = AsAffine(inst.address, nest->inst(loop).loop);
      return affine ? affine->stride : DimExpr(0);
    };
    const Inst& tiles = nest->inst(loops->end()[-2]);
    const auto panels = std::find_if(loops->begin(), loops->end(), [&](InstId loop) { return !per_step(loop).IsConst(0); });
    if (panels == loops->end() || tiles.step != 1 || DependsOnCoord(inst.address, tiles.loop)) return true;
    const int64_t line = kLine / BytesFor(inst.type.element, 1);
    Inst fetch{.op = Opcode::kPrefetch, .imm = 1};
    fetch.buffer = weight;
    fetch.address = inst.address + per_step(*panels) +
                    Mod(DimExpr::Coord(tiles.loop, tiles.extent), std::max<int64_t>(1, inst.type.lanes / line)) * line;
    const InstId first = nest->NewInst(std::move(fetch));
    std::vector<InstId>& insts = nest->block(block).insts;
    insts.insert(insts.begin(), first);
    return true;
  }
  return false;
}

// Makes buffer `input` the weight. False if it is read in another way than by loads of adjacent elements.
bool ReadWeight(const Graph& graph, const PackedWeight& w, int input, LoopNest* nest) {
  for (int b = 0; b < nest->block_count(); ++b) {
    for (InstId id : nest->block(BlockId(b)).insts) {
      Inst& inst = nest->inst(id);
      if (inst.buffer != BufferId(input)) continue;
      if (inst.op != Opcode::kLoad || inst.masked || (inst.type.lanes > 1 && !inst.stride.IsConst(1))) return false;
      const std::optional<DimExpr> address = AddressInWeight(graph, w, inst.address, inst.type.lanes);
      if (!address) return false;
      inst.address = *address;
    }
  }
  nest->buffers[input].size = Product(graph.type(w.weight).dims);
  std::vector<InstId> loops;
  FetchNextPanel(BufferId(input), nest->root, &loops, nest);
  return true;
}

std::optional<PackedWeight> WeightOf(const Plan& plan, int g) {
  const Group& group = plan.groups[g];
  if (group.phase != Phase::kProgram || group.nest == nullptr) return std::nullopt;
  if (group.inputs.size() != 1 || group.outputs.size() != 1) return std::nullopt;
  const Value weight = group.inputs[0], packed = group.outputs[0];
  if (plan.graph.Constant(weight) == nullptr) return std::nullopt;
  if (plan.graph.type(weight).element != plan.graph.type(packed).element) return std::nullopt;
  return PackedWeight{g, weight, packed};
}

class Finder {
 public:
  explicit Finder(const Plan& plan) : plan_(plan) {}

  UnpackedKernels Run(int64_t least_bytes) {
    absl::flat_hash_map<Value, int> packed;
    for (size_t g = 0; g < plan_.groups.size(); ++g) {
      const std::optional<PackedWeight> weight = WeightOf(plan_, static_cast<int>(g));
      if (!weight) continue;
      packed[weight->packed] = static_cast<int>(found_.weights.size());
      found_.weights.push_back(*weight);
    }
    taken_.assign(found_.weights.size(), true);
    for (const Graph::Named& output : plan_.graph.outputs()) {
      if (auto it = packed.find(output.value); it != packed.end()) taken_[it->second] = false;
    }
    for (size_t g = 0; g < plan_.groups.size(); ++g) {
      UnpackedKernel kernel{static_cast<int>(g), {}, nullptr, nullptr};
      const std::vector<Value>& inputs = plan_.groups[g].inputs;
      for (size_t i = 0; i < inputs.size(); ++i) {
        if (auto it = packed.find(inputs[i]); it != packed.end()) kernel.reads.push_back({static_cast<int>(i), it->second});
      }
      if (kernel.reads.empty()) continue;
      MakeNest(&kernel);
      found_.kernels.push_back(std::move(kernel));
    }
    DropUnreadable();
    DropSmall(least_bytes);
    return Result();
  }

 private:
  // Groups of one kernel whose weights are packed by one kernel are alike.
  std::string Key(const UnpackedKernel& kernel) const {
    std::string key;
    auto append = [&key](const auto& word) { key.append(reinterpret_cast<const char*>(&word), sizeof(word)); };
    append(plan_.groups[kernel.group].hash);
    for (const UnpackedKernel::Read& read : kernel.reads) {
      append(read.input);
      append(plan_.groups[found_.weights[read.weight].group].hash);
    }
    return key;
  }

  // Leaves it null if there is none.
  void MakeNest(UnpackedKernel* kernel) {
    const Group& group = plan_.groups[kernel->group];
    if (group.phase != Phase::kRun || group.nest == nullptr) return;
    const auto [known, is_new] = alike_.try_emplace(Key(*kernel));
    if (is_new) {
      auto nest = std::make_shared<LoopNest>(*group.nest);
      const bool reads = std::all_of(kernel->reads.begin(), kernel->reads.end(), [&](const UnpackedKernel::Read& read) {
        return ReadWeight(plan_.graph, found_.weights[read.weight], read.input, nest.get());
      });
      if (reads) {
        std::string text = nest->ToString();
        const Hash128 hash = StableHash(text);
        known->second = {std::move(nest), std::make_shared<NestText>(NestText{std::move(text), hash})};
      }
    }
    kernel->nest = known->second.nest;
    kernel->text = known->second.text;
  }

  bool Usable(const UnpackedKernel& kernel) const {
    return kernel.nest != nullptr && std::all_of(kernel.reads.begin(), kernel.reads.end(),
                                                 [&](const UnpackedKernel::Read& read) { return taken_[read.weight]; });
  }

  // A kernel reads all its weights as they lie, or none.
  void DropUnreadable() {
    for (bool changed = true; changed;) {
      changed = false;
      for (const UnpackedKernel& kernel : found_.kernels) {
        if (Usable(kernel)) continue;
        for (const UnpackedKernel::Read& read : kernel.reads) {
          changed = changed || taken_[read.weight];
          taken_[read.weight] = false;
        }
      }
    }
  }

  void DropSmall(int64_t least_bytes) {
    absl::flat_hash_map<const LoopNest*, int64_t> bytes;
    for (const UnpackedKernel& kernel : found_.kernels) {
      if (!Usable(kernel)) continue;
      for (const UnpackedKernel::Read& read : kernel.reads) {
        const TensorType& type = plan_.graph.type(found_.weights[read.weight].packed);
        bytes[kernel.nest.get()] += BytesFor(type.element, Product(type.dims).AsConst().value_or(0));
      }
    }
    for (const UnpackedKernel& kernel : found_.kernels) {
      if (kernel.nest != nullptr && bytes[kernel.nest.get()] >= least_bytes) continue;
      for (const UnpackedKernel::Read& read : kernel.reads) taken_[read.weight] = false;
    }
    DropUnreadable();
  }

  UnpackedKernels Result() {
    UnpackedKernels result;
    std::vector<int> number(found_.weights.size(), -1);
    for (UnpackedKernel& kernel : found_.kernels) {
      if (!Usable(kernel)) continue;
      for (UnpackedKernel::Read& read : kernel.reads) {
        if (number[read.weight] < 0) {
          number[read.weight] = static_cast<int>(result.weights.size());
          result.weights.push_back(found_.weights[read.weight]);
        }
        read.weight = number[read.weight];
      }
      result.kernels.push_back(std::move(kernel));
    }
    return result;
  }

  struct Alike {
    std::shared_ptr<const LoopNest> nest;
    std::shared_ptr<const NestText> text;
  };
  const Plan& plan_;
  UnpackedKernels found_;
  std::vector<bool> taken_;  // per weight found
  absl::flat_hash_map<std::string, Alike> alike_;
};

}  // namespace

UnpackedKernels FindUnpackedKernels(const Plan& plan, int64_t least_bytes) { return Finder(plan).Run(least_bytes); }

}  // namespace skein
