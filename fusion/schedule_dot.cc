// Contraction kernels: a packed GEMM (kernels/gemm.h) whose operands may be any expression of the group's inputs
// and whose epilogue is everything between the total and the outputs.
#include <algorithm>

#include "fusion/schedule.h"
#include "kernels/gemm.h"

namespace skein {
namespace {

absl::Status Refuse(const char* code, const std::string& sentence) {
  return absl::FailedPreconditionError(absl::StrCat(code, ": ", sentence));
}

class DotScheduler {
 public:
  DotScheduler(Emitter& emitter, const GroupSpec& spec, const GroupContent& content, const Target& target)
      : emitter_(emitter), graph_(emitter.graph()), b_(emitter.builder()), spec_(spec),
        target_(target), dot_(content.dots[0]), content_(content) {}

  absl::Status Run() {
    const Node& node = graph_.node(dot_);
    a_ = node.operands[0];
    b_operand_ = node.operands[1];
    dims_ = node.results[0].dims;
    if (node.results[0].element != ElementType::kF32) {
      return Unimplemented("no contraction kernel for ", node.results[0].ToString(), ", needed by ",
                           OriginText(graph_, dot_));
    }
    SKEIN_RETURN_IF_ERROR(PlaceOutputs());
    GemmSpec gemm;
    const size_t rank = dims_.size();
    gemm.batch.assign(dims_.begin(), dims_.end() - 2);
    gemm.m = dims_[rank - 2];
    gemm.n = dims_[rank - 1];
    gemm.k = graph_.type(a_).dims.back();
    ChooseTiles(target_, &gemm);
    gemm.scope = [this](bool enter) { enter ? emitter_.PushScope() : emitter_.PopScope(); };
    gemm.a = [this](std::span<const DimExpr> batch, DimExpr m, DimExpr k) {
      return emitter_.Emit(At(a_, batch, m, k));
    };
    if (BLiesInPanels(gemm)) {
      gemm.b_in_place = [this, panel = gemm.panel](std::span<const DimExpr> batch, DimExpr k,
                                                   DimExpr index) {
        return LoadPanelRow(batch, k, index, panel);
      };
    } else {
      gemm.b = [this](std::span<const DimExpr> batch, DimExpr k, DimExpr n, int lane_coord,
                      int lanes) -> absl::StatusOr<ValueId> {
        emitter_.SetLane({lane_coord, lanes});
        absl::StatusOr<ValueId> v = emitter_.Emit(At(b_operand_, batch, k, n));
        emitter_.SetLane({});
        return v;
      };
    }
    ChooseBlocks(&gemm);
    gemm.epilogue_lanes = EpilogueLanes(gemm.panel);
    gemm.row_prologue = [this](std::span<const DimExpr> batch, DimExpr m, DimExpr n,
                               const std::function<bool(int)>& inner) -> absl::Status {
      for (const Output& o : outputs_) {
        SKEIN_RETURN_IF_ERROR(
            emitter_.EmitInvariant({o.path.core, CoreCoords(o, batch, m, n)}, inner, {dot_, 0}));
      }
      return absl::OkStatus();
    };
    gemm.epilogue = [this](std::span<const DimExpr> batch, DimExpr m, DimExpr n, int lane_coord, int lanes,
                           ValueId total) -> absl::Status {
      emitter_.SetLane({lane_coord, lanes, dims_.back().IsConst(1)});
      const Dims here = Coords(batch, m, n);
      emitter_.Provide({dot_, 0}, [total, here](const Demand& d) -> absl::StatusOr<ValueId> {
        if (d.coords != here) return Refuse("SK151", "a product is needed at another place than its own");
        return total;
      });
      for (const Output& o : outputs_) {
        SKEIN_RETURN_IF_ERROR(EmitStore(emitter_, o.path, o.buffer, CoreCoords(o, batch, m, n)));
      }
      emitter_.SetLane({});
      return absl::OkStatus();
    };
    return BuildGemm(b_, gemm);
  }

 private:
  // A long epilogue runs in one register's worth of lanes: a quarter of the code, for the first tier's sake. GELU behind
  // a product then compiles in 94 us, with two registers' worth in 104; a whole run of BERT base takes about 1 % more.
  int EpilogueLanes(int64_t panel) const {
    constexpr int kLong = 20, kLanes = 16;  // flops an element: one elementary function
    int flops = 0;
    for (NodeId id : content_.nodes) {
      const OpDef& def = Def(graph_.node(id).op);
      if (def.op_class == OpClass::kPointwise) flops += def.flops;
    }
    return static_cast<int>(flops < kLong ? panel : std::min<int64_t>(panel, kLanes));
  }

  struct Output {
    OutputPath path;
    Dims coords;  // of the core, over Coord(kPlaceholder + i) of the dot's dims
    BufferId buffer;
  };

  // Follows the dot's result forward: coordinates of every value that lines up with it.
  absl::Status PlaceOutputs() {
    absl::flat_hash_map<Value, Dims> at;
    Dims here;
    for (size_t i = 0; i < dims_.size(); ++i) {
      here.push_back(DimExpr::Coord(kPlaceholder + static_cast<int>(i), dims_[i]));
    }
    at[{dot_, 0}] = here;
    for (NodeId id : content_.nodes) {
      if (at.contains({id, 0})) continue;
      const Node& node = graph_.node(id);
      for (Value operand : node.operands) {
        auto it = at.find(operand);
        if (it == at.end()) continue;
        const OpClass op_class = Def(node.op).op_class;
        std::optional<Dims> coords;
        if (op_class == OpClass::kPointwise) coords = it->second;
        if (op_class == OpClass::kMovement) coords = ForwardMap(graph_, id, it->second);
        if (!coords) {
          return Refuse("SK150", absl::StrCat("the epilogue does not line up with the product: ",
                                              OriginText(graph_, id)));
        }
        at[{id, 0}] = *coords;
        break;
      }
    }
    for (Value v : spec_.outputs) {
      Output o{FindOutputPath(graph_, v, spec_.boundary), {}, {}};
      auto it = at.find(o.path.core);
      if (it == at.end()) {
        return Refuse("SK152", "a result of the group does not come from its contraction");
      }
      o.coords = it->second;
      SKEIN_ASSIGN_OR_RETURN(Dims place, StoreCoords(graph_, o.path, o.coords));
      const TensorType& type = graph_.type(o.path.output);
      o.buffer = b_.AddBuffer(BufferKind::kOutput, type.element, Product(type.dims));
      outputs_.push_back(std::move(o));
    }
    // The product may be used at its own place only.
    std::vector<Demand> roots;
    for (const Output& o : outputs_) roots.push_back({o.path.core, o.coords});
    emitter_.Provide({dot_, 0}, [](const Demand&) -> absl::StatusOr<ValueId> { return ValueId(); });
    SKEIN_ASSIGN_OR_RETURN(std::vector<Demand> demands,
                           ReachableDemands(emitter_, roots, [](const Demand&) -> absl::StatusOr<Dims> {
                             return Internal("no reduction in a contraction kernel");
                           }));
    for (const Demand& d : demands) {
      if (d.value == Value{dot_, 0} && d.coords != here) {
        return Refuse("SK151", "a product is needed at another place than its own");
      }
    }
    return absl::OkStatus();
  }

  static Dims Coords(std::span<const DimExpr> batch, DimExpr m, DimExpr n) {
    Dims coords(batch.begin(), batch.end());
    coords.push_back(m);
    coords.push_back(n);
    return coords;
  }
  Demand At(Value v, std::span<const DimExpr> batch, DimExpr x, DimExpr y) const {
    return {v, Coords(batch, x, y)};
  }
  Dims CoreCoords(const Output& o, std::span<const DimExpr> batch, DimExpr m, DimExpr n) const {
    const Dims here = Coords(batch, m, n);
    Dims result;
    for (DimExpr c : o.coords) {
      result.push_back(Substitute(c, [&](DimExpr leaf) -> std::optional<DimExpr> {
        if (leaf.kind() != DimKind::kCoord || leaf.index() < kPlaceholder) return std::nullopt;
        return here[leaf.index() - kPlaceholder];
      }));
    }
    return result;
  }

  // Where an operand's element comes from, through movement ops that need no condition.
  std::optional<Demand> Source(Demand d) const {
    while (!spec_.boundary(d.value)) {
      if (emitter_.IsLeaf(d.value)) return std::nullopt;
      std::optional<std::vector<Piece>> pieces = MovementPieces(graph_, d.value.node);
      if (!pieces) return std::nullopt;
      std::vector<Demand> demands = PieceDemands(graph_, d, *pieces);
      if (demands.size() != 1) return std::nullopt;
      d = std::move(demands[0]);
    }
    return d;
  }

  // True if a whole panel of a row of B, also past its last column, is contiguous in memory: how packed
  // weights lie (settle.h).
  bool BLiesInPanels(const GemmSpec& gemm) const {
    std::optional<DimExpr> address = PanelAddress(gemm.panel);
    return address.has_value();
  }

  // Address of lane `j` of panel `p` of row `k`, if it is affine with stride 1 and in bounds for every panel.
  std::optional<DimExpr> PanelAddress(int64_t panel) const {
    const Dims& dims = graph_.type(b_operand_).dims;
    DimExpr k = DimExpr::Coord(kPlaceholder, dims[dims.size() - 2]);
    DimExpr p = DimExpr::Coord(kPlaceholder + 1, CeilDiv(dims.back(), panel));
    DimExpr j = DimExpr::Coord(kPlaceholder + 2, panel);
    Dims batch;
    for (size_t i = 0; i + 2 < dims.size(); ++i) {
      batch.push_back(DimExpr::Coord(kPlaceholder + 3 + static_cast<int>(i), dims[i]));
    }
    std::optional<Demand> source = Source(At(b_operand_, batch, k, p * panel + j));
    if (!source) return std::nullopt;
    const Dims& stored = graph_.type(source->value).dims;
    for (size_t i = 0; i < stored.size(); ++i) {
      if (!ProveLess(source->coords[i], stored[i])) return std::nullopt;  // reads past the last column
    }
    DimExpr address = Linearize(source->coords, stored);
    std::optional<Affine> affine = AsAffine(address, kPlaceholder + 2);
    if (!affine || !affine->stride.IsConst(1)) return std::nullopt;
    return address;
  }

  absl::StatusOr<ValueId> LoadPanelRow(std::span<const DimExpr> batch, DimExpr k, DimExpr index,
                                       int64_t panel) {
    // Through a lane coordinate of exactly one panel, then taken at lane 0.
    DimExpr j = DimExpr::Coord(kPlaceholder + 2, panel);
    std::optional<Demand> source = Source(At(b_operand_, batch, k, index * panel + j));
    DimExpr address = Linearize(source->coords, graph_.type(source->value).dims);
    DimExpr at_zero = Substitute(address, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf == j) return DimExpr(0);
      return std::nullopt;
    });
    return b_.Load(emitter_.InputBuffer(source->value), at_zero, static_cast<int>(panel));
  }

  Emitter& emitter_;
  const Graph& graph_;
  LoopBuilder& b_;
  const GroupSpec& spec_;
  const Target& target_;
  const NodeId dot_;
  const GroupContent& content_;
  Value a_, b_operand_;
  Dims dims_;
  std::vector<Output> outputs_;
};

}  // namespace

absl::Status ScheduleDot(Emitter& emitter, const GroupSpec& spec, const GroupContent& content,
                         const Target& target) {
  return DotScheduler(emitter, spec, content, target).Run();
}

}  // namespace skein
