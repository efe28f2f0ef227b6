#include "fusion/schedule.h"

#include <algorithm>
#include <queue>

#include "absl/container/inlined_vector.h"
#include "fusion/node_set.h"

namespace skein {
namespace {

absl::Status Refuse(const char* code, const std::string& sentence) {
  return absl::FailedPreconditionError(absl::StrCat(code, ": ", sentence));
}

// Elements of a value, and the bytes that reading or writing all of it takes.
DimExpr BytesOf(const TensorType& type) {
  DimExpr elements = Product(type.dims);
  if (BitWidth(type.element) == 4) return CeilDiv(elements, 2);
  return elements * BytesFor(type.element, 1);
}

// What a group reads: each input at most once and at most all of it; through a gather or a slice no more
// than there are elements to produce.
void CountWork(const Graph& graph, Group* group) {
  group->bytes_read = group->bytes_written = group->flops = group->dot_flops = 0;
  for (Value v : group->inputs) {
    DimExpr bytes = BytesOf(graph.type(v));
    // The largest movement result in the group that comes straight from this input bounds what is touched.
    DimExpr touched = 0;
    bool narrowed = false, whole = false;
    for (NodeId id : group->nodes) {
      const Node& node = graph.node(id);
      if (std::find(node.operands.begin(), node.operands.end(), v) == node.operands.end()) continue;
      if ((node.op == Op::slice || node.op == Op::gather) && node.operands[0] == v) {
        touched = touched + BytesOf({graph.type(v).element, node.results[0].dims});
        narrowed = true;
      } else {
        whole = true;
      }
    }
    group->bytes_read = group->bytes_read + (narrowed && !whole ? Min(bytes, touched) : bytes);
  }
  for (Value v : group->outputs) group->bytes_written = group->bytes_written + BytesOf(graph.type(v));
  for (NodeId id : group->nodes) {
    const Node& node = graph.node(id);
    const OpDef& def = Def(node.op);
    DimExpr elements = Product(node.results[0].dims);
    if (node.op == Op::dot) {
      DimExpr k = graph.type(node.operands[0]).dims.back();
      group->dot_flops = group->dot_flops + 2 * elements * k;
    } else if (def.op_class == OpClass::kReduce) {
      group->flops = group->flops + Product(graph.type(node.operands[0]).dims);
    } else if (def.op_class == OpClass::kScan) {
      group->flops = group->flops + elements;
    } else if (def.op_class == OpClass::kPointwise) {
      group->flops = group->flops + elements * def.flops;
    }
  }
  group->flops = group->flops + group->dot_flops;
}

std::string KindOf(const GroupContent& content) {
  if (!content.dots.empty()) return "dot";
  if (!content.inner_reductions.empty()) return "row";
  if (!content.outer_reductions.empty()) return "columns";
  if (!content.scans.empty()) return "scan";
  return "pointwise";
}

}  // namespace

absl::StatusOr<GroupContent> FindContent(const Graph& graph, const GroupSpec& spec) {
  NodeSet nodes;
  absl::InlinedVector<Value, 32> work(spec.outputs.begin(), spec.outputs.end());
  while (!work.empty()) {
    Value v = work.back();
    work.pop_back();
    const bool output = std::find(spec.outputs.begin(), spec.outputs.end(), v) != spec.outputs.end();
    if (!output && spec.boundary(v)) continue;
    if (graph.Known(v).has_value() || graph.op(v) == Op::constant || graph.SplatValue(v)) continue;
    if (!nodes.insert(v.node).second) continue;
    for (Value operand : graph.node(v.node).operands) work.push_back(operand);
  }
  GroupContent content;
  content.nodes.assign(nodes.begin(), nodes.end());
  for (NodeId id : content.nodes) {
    const Node& node = graph.node(id);
    switch (Def(node.op).op_class) {
      case OpClass::kContraction: content.dots.push_back(id); break;
      case OpClass::kReduce: {
        const std::string* order = node.attributes.Get<std::string>("order");
        const bool outer = order != nullptr && *order == "outer";
        (outer ? content.outer_reductions : content.inner_reductions).push_back(id);
        break;
      }
      case OpClass::kScan: content.scans.push_back(id); break;
      case OpClass::kPointwise:
      case OpClass::kMovement:
      case OpClass::kGather:
      case OpClass::kSource: break;
      default: content.others.push_back(id);
    }
  }
  return content;
}

OutputPath FindOutputPath(const Graph& graph, Value output, const std::function<bool(Value)>& boundary) {
  OutputPath path{output, output, {}};
  while (!graph.Known(path.core) && !(path.core != output && boundary(path.core))) {
    const Node& node = graph.node(path.core.node);
    const OpDef& def = Def(node.op);
    if (def.op_class != OpClass::kMovement || def.forward == nullptr) break;
    if (!ForwardMap(graph, path.core.node, CoordsOf(graph.type(node.operands[0]).dims))) break;
    path.movement.insert(path.movement.begin(), path.core.node);
    path.core = node.operands[0];
  }
  // A view of an input or constant is copied from the side of the result, where stores are contiguous.
  if (boundary(path.core) || graph.Known(path.core) || graph.op(path.core) == Op::constant) {
    return {output, output, {}};
  }
  return path;
}

absl::StatusOr<Dims> StoreCoords(const Graph& graph, const OutputPath& path, Dims core_coords) {
  for (NodeId id : path.movement) {
    std::optional<Dims> next = ForwardMap(graph, id, core_coords);
    if (!next) return Refuse("SK140", absl::StrCat("the place of a result is not known: ", OriginText(graph, id)));
    core_coords = *std::move(next);
  }
  return core_coords;
}

std::vector<std::pair<int, int>> CollapseDims(std::span<const DimExpr> dims,
                                              std::span<const DimExpr> uses, int base) {
  std::vector<std::pair<int, int>> runs;
  const int rank = static_cast<int>(dims.size());
  std::vector<DimExpr> exprs;
  for (DimExpr e : uses) {
    if (std::find(exprs.begin(), exprs.end(), e) == exprs.end()) exprs.push_back(e);
  }
  // The run being grown, from the innermost dim outwards: its loop stands for coordinate `first`.
  int last = rank - 1, first = rank - 1;
  DimExpr extent = rank > 0 ? dims[rank - 1] : DimExpr(1);
  for (int d = rank - 2; d >= -1; --d) {
    bool joined = false;
    if (d >= 0) {
      const int merged = base + rank + d;  // a number not used by any dim
      DimExpr c = DimExpr::Coord(merged, extent * dims[d]);
      std::vector<DimExpr> trial;
      joined = true;
      for (DimExpr e : exprs) {
        DimExpr t = Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
          if (leaf.kind() != DimKind::kCoord) return std::nullopt;
          if (leaf.index() == base + d) return FloorDiv(c, extent);
          const int inner = first == last ? base + first : base + rank + first;
          if (leaf.index() == inner) return Mod(c, extent);
          return std::nullopt;
        });
        if (DependsOnCoord(t, merged) && !AsAffine(t, merged)) {
          joined = false;
          break;
        }
        trial.push_back(t);
      }
      if (joined) {
        exprs = std::move(trial);
        first = d;
        extent = extent * dims[d];
        continue;
      }
    }
    if (rank > 0) runs.insert(runs.begin(), {first, last});
    if (d >= 0) {
      first = last = d;
      extent = dims[d];
    }
  }
  return runs;
}

absl::StatusOr<std::vector<Demand>> ReachableDemands(const Emitter& emitter, std::vector<Demand> roots,
                                                     const ReductionCoords& reduction_coords) {
  const Graph& graph = emitter.graph();
  absl::flat_hash_set<Demand> seen;
  std::vector<Demand> result;
  result.reserve(32);  // most kernels have fewer
  roots.reserve(32);
  while (!roots.empty()) {
    Demand d = std::move(roots.back());
    roots.pop_back();
    if (!seen.insert(d).second) continue;
    // A fused kernel recomputes at every place that is asked for; runaway recomputation is refused.
    if (result.size() > 4000) return Refuse("SK141", "too many distinct places are recomputed");
    result.push_back(d);
    if (emitter.IsLeaf(d.value)) continue;
    const Node& node = graph.node(d.value.node);
    if (Def(node.op).op_class == OpClass::kReduce) {
      SKEIN_ASSIGN_OR_RETURN(Dims coords, reduction_coords(d));
      for (Value v : node.operands) roots.push_back({v, coords, 1});
      continue;
    }
    SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> children, emitter.Children(d));
    for (Demand& child : children) roots.push_back(std::move(child));
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Demand& a, const Demand& b) { return b.value.node < a.value.node; });
  return result;
}

void AppendLeafUses(const Emitter& emitter, const Demand& demand, std::vector<DimExpr>* uses) {
  if (!demand.condition.IsConst()) uses->push_back(demand.condition);
  if (!emitter.IsLeaf(demand.value)) return;
  const Graph& graph = emitter.graph();
  if (std::optional<DimExpr> known = graph.Known(demand.value)) {
    uses->push_back(SubstituteCoords(*known, demand.coords));
  } else if (!(graph.Constant(demand.value) != nullptr && graph.SplatValue(demand.value))) {
    uses->push_back(Linearize(demand.coords, graph.type(demand.value).dims));
  }
}

BlockId BodyOf(const LoopNest& nest, int loop) {
  int i = nest.inst_count() - 1;
  while (nest.inst(InstId(i)).op != Opcode::kLoop || nest.inst(InstId(i)).loop != loop) --i;
  return nest.inst(InstId(i)).body;
}

void FetchAhead(const Target& target, int level, BlockId body, int lanes, LoopNest* nest,
                const std::function<DimExpr(const Inst& load, int64_t element_bytes)>& later) {
  constexpr int64_t kLine = 64;  // bytes
  std::vector<InstId> fetches;
  for (InstId id : nest->block(body).insts) {
    const Inst load = nest->inst(id);
    if (load.op != Opcode::kLoad || !load.stride.IsConst(1) || load.type.lanes != lanes) continue;
    const Buffer& buffer = nest->buffers[load.buffer.index];
    const int64_t element_bytes = BytesFor(buffer.element, 1);
    if (buffer.kind != BufferKind::kInput || ProveLessEqual(buffer.size * element_bytes, target.l2_bytes / 2)) continue;
    const DimExpr address = later(load, element_bytes);
    if (address == load.address) continue;
    const bool fetched = std::any_of(fetches.begin(), fetches.end(), [&](InstId id) {
      const Inst& fetch = nest->inst(id);
      if (fetch.buffer != load.buffer) return false;
      const std::optional<int64_t> behind = (address - fetch.address).AsConst();
      return behind && *behind >= 0 && *behind * element_bytes < kLine;
    });
    if (fetched) continue;
    for (int64_t at = 0; at < lanes; at += kLine / element_bytes) {
      Inst fetch{.op = Opcode::kPrefetch, .imm = static_cast<uint64_t>(level)};
      fetch.buffer = load.buffer;
      fetch.address = address + at;
      fetches.push_back(nest->NewInst(std::move(fetch)));
    }
  }
  std::vector<InstId>& insts = nest->block(body).insts;
  insts.insert(insts.begin(), fetches.begin(), fetches.end());
}

absl::Status EmitStore(Emitter& emitter, const OutputPath& path, BufferId buffer, Dims core_coords) {
  SKEIN_ASSIGN_OR_RETURN(ValueId value, emitter.Emit({path.core, core_coords}));
  SKEIN_ASSIGN_OR_RETURN(Dims coords, StoreCoords(emitter.graph(), path, core_coords));
  LoopBuilder& b = emitter.builder();
  DimExpr address = Linearize(coords, emitter.graph().type(path.output).dims);
  const Emitter::Lane lane = emitter.lane();
  if (!DependsOnCoord(address, lane.coord)) {
    if (b.type(value).lanes > 1 && !lane.only_first) return Refuse("SK142", "lanes of a result share one place");
    b.Store(buffer, address, value);
    return absl::OkStatus();
  }
  value = b.Splat(value, lane.lanes);
  std::optional<Affine> affine = AsAffine(address, lane.coord);
  if (affine && !HasCoords(affine->stride)) {
    b.Store(buffer, address, value, affine->stride);
  } else {
    b.Scatter(buffer, 0, value, emitter.EmitIndex(address));
  }
  return absl::OkStatus();
}

absl::StatusOr<UnfinishedKernel> ScheduleLoops(const Graph& graph, const GroupSpec& spec, const Target& target) {
  SKEIN_ASSIGN_OR_RETURN(GroupContent content, FindContent(graph, spec));
  if (!content.others.empty()) {
    return Unimplemented("no scheduler takes ", OriginText(graph, content.others[0]), " (",
                         Name(graph.node(content.others[0]).op), ")");
  }
  if (content.dots.size() > 1) return Refuse("SK101", "a kernel has at most one contraction");
  const bool reduces = !content.inner_reductions.empty() || !content.outer_reductions.empty();
  if (!content.dots.empty() && reduces) {
    return Refuse("SK102", "a contraction and a reduction do not share a kernel");
  }
  if (!content.inner_reductions.empty() && !content.outer_reductions.empty()) {
    return Refuse("SK103", "reductions over inner and over outer axes do not share a kernel");
  }
  if (!content.scans.empty() && (reduces || !content.dots.empty())) {
    return Refuse("SK104", "a running sum shares a kernel with pointwise operations only");
  }
  UnfinishedKernel kernel;
  kernel.nest.Reserve(64, 64);  // most have more
  LoopBuilder builder(&kernel.nest);
  // What a group writes it also computes: its own outputs are no boundary to it.
  auto boundary = [&](Value v) {
    return std::find(spec.outputs.begin(), spec.outputs.end(), v) == spec.outputs.end() && spec.boundary(v);
  };
  GroupSpec inner{spec.outputs, boundary, spec.locality};
  Emitter emitter(graph, &builder, boundary);
  const bool nothing = std::all_of(spec.outputs.begin(), spec.outputs.end(), [&](Value v) {
    return Product(graph.type(v).dims).IsConst(0);
  });
  if (nothing) {  // no element to compute, and none to read for it
    for (Value v : spec.outputs) builder.AddBuffer(BufferKind::kOutput, graph.type(v).element, 0);
  } else if (!content.dots.empty()) {
    SKEIN_RETURN_IF_ERROR(ScheduleDot(emitter, inner, content, target));
  } else if (!content.inner_reductions.empty()) {
    SKEIN_ASSIGN_OR_RETURN(const bool short_rows, ScheduleShortRows(emitter, inner, content, target));
    if (!short_rows) SKEIN_RETURN_IF_ERROR(ScheduleRows(emitter, inner, content, target));
  } else if (!content.outer_reductions.empty()) {
    SKEIN_RETURN_IF_ERROR(ScheduleColumns(emitter, inner, content, target));
  } else if (!content.scans.empty()) {
    SKEIN_RETURN_IF_ERROR(ScheduleScan(emitter, inner, content, target));
  } else {
    SKEIN_RETURN_IF_ERROR(SchedulePointwise(emitter, inner, target));
  }
  Group& group = kernel.group;
  group.outputs = spec.outputs;
  group.inputs = emitter.inputs();
  group.nodes = content.nodes;
  group.kind = KindOf(content);
  group.gather_sites = emitter.gather_sites();
  if (group.inputs.size() + group.outputs.size() > 40) {
    return Refuse("SK110", "too many pointers for one kernel");
  }
  return kernel;
}

Group FinishKernel(const Graph& graph, const Locality& locality, const Target& target, UnfinishedKernel kernel) {
  LoopNest& nest = kernel.nest;
  Group& group = kernel.group;
  FoldLoads(&nest);
  RemoveDeadInstructions(&nest);
  // Buffers in the order of the kernel contract: inputs, outputs, scratch.
  OrderBuffers(&nest);
  Locality applied = locality;
  // The processor follows rows of columns by itself; fetching them ahead took 5 to 20 % off sums and maxima.
  applied.far = applied.far && group.kind != "columns";
  ApplyLocality(applied, target, &nest);
  SplitCarriedMaxima(target, &nest);
  group.arguments = NumberArguments(&nest);
  std::string text = nest.ToString();
  group.hash = StableHash(text);
  group.text = std::make_shared<NestText>(NestText{std::move(text), group.hash});
  group.nest = std::make_shared<LoopNest>(std::move(nest));
  CountWork(graph, &group);
  for (Value v : group.outputs) {  // a known value that is an output is computed by no node
    if (!std::binary_search(group.nodes.begin(), group.nodes.end(), v.node)) {
      group.nodes.insert(std::upper_bound(group.nodes.begin(), group.nodes.end(), v.node), v.node);
    }
  }
  return std::move(group);
}

absl::StatusOr<Group> Schedule(const Graph& graph, const GroupSpec& spec, const Target& target) {
  SKEIN_ASSIGN_OR_RETURN(UnfinishedKernel kernel, ScheduleLoops(graph, spec, target));
  return FinishKernel(graph, spec.locality, target, std::move(kernel));
}

}  // namespace skein
